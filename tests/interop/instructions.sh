#!/bin/sh
# The last column of bench/results.csv: instructions of one image in the C that its quantized models are exported to, on
# an emulated Cortex-M4.
#     sh tests/interop/instructions.sh BUILD      compares; with RESULTS_WRITE=1 it writes the column anew
set -u
build=${1:?instructions.sh: the build folder is required}
here=$(cd "$(dirname "$0")" && pwd)
table=bench/results.csv
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# shellcheck disable=SC1091 # m4.sh is checked by itself
. "$here/m4.sh"
m4_tools || exit 1

# The models of the table as it stands: where they differ from it, that is for the test to say.
RESULTS_EXPORTS=$work "$build/release/tests/test_results" >"$work/log" 2>&1 || {
    cat "$work/log"
    exit 1
}

passed=0 failed=0
while IFS= read -r line; do
    key=$(printf '%s' "$line" | cut -d, -f1-4)
    want=${line##*,} got=-
    if [ -f "$work/$key/model.c" ]; then got=$(m4_count "$here/mcu" "$work/$key" "$work"); fi
    if [ "$want" = m4_instructions ]; then
        got=$want
    elif [ -n "${RESULTS_WRITE:-}" ]; then
        :
    elif [ "$got" = "$want" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "$table: $key: m4_instructions: $want; now $got (if that is meant: make results)"
    fi
    printf '%s,%s\n' "${line%,*}" "$got" >>"$work/table"
done <"$table"

if [ -n "${RESULTS_WRITE:-}" ]; then
    cp "$work/table" "$table"
    exit
fi
echo "tests: $passed passed, $failed failed, instructions on the emulated Cortex-M4"
[ "$failed" -eq 0 ]

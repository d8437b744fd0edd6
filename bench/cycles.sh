#!/bin/sh
# What each step of the kernels of exported C costs in instructions on a Cortex-M4: small networks of a few layers
# (bench/cycles/sketch.c) are exported to C and run on an emulated core, and the prices of deploy/c/cycles.def are those
# that give what was measured.  The networks of bench/results.csv are not among them.
#     sh bench/cycles.sh BUILD             measures anew: bench/cycles.csv and deploy/c/cycles.def (about 10 minutes)
#     FIT=1 sh bench/cycles.sh BUILD       deploy/c/cycles.def from bench/cycles.csv as it stands: after a change of terms
#     CHECK=50 sh bench/cycles.sh BUILD    changes nothing: every 50th network is measured again, and the prices fitted
set -u
build=${1:?cycles.sh: the build folder is required}
here=$(cd "$(dirname "$0")/.." && pwd)
program=$build/release/cycles
table=bench/cycles.csv
prices=deploy/c/cycles.def
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# shellcheck disable=SC1091 # m4.sh is checked by itself
. "$here/tests/interop/m4.sh"

fail() {
    echo "cycles.sh: $1" >&2
    exit 1
}

# measure PART: every other of the folders, beginning with number PART, to measuredPART
measure() {
    mkdir "$work/part$1" || return 1
    awk "NR % 2 == $1" "$work/folders" | while IFS= read -r folder; do
        count=$(m4_count "$here/tests/interop/mcu" "$folder" "$work/part$1")
        [ -n "$count" ] || return 1
        echo "${folder##*/},$count"
    done >"$work/measured$1"
}

# measure_every N: every N-th network, sorted, to measured
measure_every() {
    m4_tools && mkdir "$work/nets" && "$program" export "$work/nets" "$1" || exit 1
    find "$work/nets" -mindepth 1 -type d | LC_ALL=C sort >"$work/folders"
    measure 0 &
    other=$!
    measure 1 || fail "a network cannot be measured"
    wait "$other" || fail "a network cannot be measured"
    LC_ALL=C sort "$work/measured0" "$work/measured1" >"$work/measured"
}

if [ -n "${CHECK:-}" ]; then
    measure_every "$CHECK"
    failed=0
    while IFS= read -r line; do
        grep -qxF "$line" "$table" && continue
        echo "$table: ${line%,*}: now ${line##*,} instructions (if that is meant: sh bench/cycles.sh build)"
        failed=$((failed + 1))
    done <"$work/measured"
    "$program" fit "$table" "$work/prices" >/dev/null
    if ! cmp -s "$prices" "$work/prices"; then
        echo "$prices: its prices are not those of $table (if that is meant: FIT=1 sh bench/cycles.sh build)"
        failed=$((failed + 1))
    fi
    echo "tests: $(($(wc -l <"$work/measured") + 1 - failed)) passed, $failed failed, instructions of kernels"
    [ "$failed" -eq 0 ]
    exit
fi
if [ -z "${FIT:-}" ]; then
    measure_every 1
    { echo "network,format,m4_instructions" && cat "$work/measured"; } >"$table"
fi
"$program" fit "$table" "$prices"

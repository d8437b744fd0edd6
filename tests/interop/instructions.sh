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

for tool in arm-none-eabi-gcc qemu-system-arm; do
    command -v "$tool" >/dev/null 2>&1 && continue
    echo "instructions.sh: $tool is missing; sh setup.sh --interop installs it" >&2
    exit 1
done

# The models of the table as it stands: where they differ from it, that is for the test to say.
RESULTS_EXPORTS=$work "$build/release/tests/test_results" >"$work/log" 2>&1 || {
    cat "$work/log"
    exit 1
}
head -c 65536 /dev/zero >"$work/image"

# count FOLDER: instructions of an image of zeros
count() {
    arm-none-eabi-gcc -std=c99 -O2 -mthumb -mcpu=cortex-m4 -mfloat-abi=hard -mfpu=fpv4-sp-d16 -ffreestanding \
        -fno-tree-loop-distribute-patterns -nostdlib -nostartfiles -T "$here/mcu/mps2.ld" -I"$1" -I"$here/mcu" \
        "$here/mcu/main.c" "$here/mcu/host_semihosting.c" "$1/model.c" -lgcc -o "$work/elf" || return 1
    timeout 300 qemu-system-arm -M mps2-an386 -display none -monitor none -serial none -icount shift=0 \
        -semihosting-config "enable=on,target=native,arg=program,arg=$work/image,arg=$work/out,arg=1" \
        -kernel "$work/elf" 2>&1 | awk '{ print $4 }'
}

passed=0 failed=0
while IFS= read -r line; do
    key=$(printf '%s' "$line" | cut -d, -f1-4)
    want=${line##*,} got=-
    if [ -f "$work/$key/model.c" ]; then got=$(count "$work/$key"); fi
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

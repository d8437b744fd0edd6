# shellcheck shell=sh
# Instructions of exported C on an emulated Cortex-M4: part of instructions.sh and bench/cycles.sh.

m4_cc() {
    arm-none-eabi-gcc -std=c99 -O2 -mthumb -mcpu=cortex-m4 -mfloat-abi=hard -mfpu=fpv4-sp-d16 -ffreestanding \
        -fno-tree-loop-distribute-patterns "$@"
}

# m4_tools: whether compiler and emulator are there; else a line that says how to get them.
m4_tools() {
    for tool in arm-none-eabi-gcc qemu-system-arm; do
        command -v "$tool" >/dev/null 2>&1 && continue
        echo "${0##*/}: $tool is missing; sh setup.sh --interop installs it" >&2
        return 1
    done
}

# m4_count MCU FOLDER WORK: instructions of an image of zeros, of FOLDER/model.c.  MCU: tests/interop/mcu; WORK: a folder
# for what is made, one for each that runs at a time.
m4_count() {
    if [ ! -f "$3/host.o" ]; then
        head -c 65536 /dev/zero >"$3/image" && m4_cc -c "$1/host_semihosting.c" -o "$3/host.o" || return 1
    fi
    m4_cc -nostdlib -nostartfiles -T "$1/mps2.ld" -I"$2" -I"$1" "$1/main.c" "$3/host.o" "$2/model.c" -lgcc -o "$3/elf" ||
        return 1
    timeout 300 qemu-system-arm -M mps2-an386 -display none -monitor none -serial none -icount shift=0 \
        -semihosting-config "enable=on,target=native,arg=program,arg=$3/image,arg=$3/out,arg=1" \
        -kernel "$3/elf" 2>&1 | awk '{ print $4 }'
}

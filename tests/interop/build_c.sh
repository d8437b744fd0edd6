# shellcheck shell=sh
# Exported C built strictly and run, on this machine and on emulated cores: part of model.sh, int16.sh and regression.sh.
# HERE is this folder.
# shellcheck disable=SC2154

strict="-std=c99 -O2 -Wall -Wextra -Wpedantic -Wconversion -Werror"

# build_c COMPILER FOLDER PROGRAM HOST [FLAG...]: the model strictly, then the program around it.
build_c() {
    compiler=$1 folder=$2 program=$3 host=$4
    shift 4
    # shellcheck disable=SC2086 # words
    $compiler $strict "$@" -c "$folder/model.c" -o "$program.model.o" &&
        $compiler $strict "$@" -I"$folder" -I"$HERE/mcu" \
            "$HERE/mcu/main.c" "$HERE/mcu/$host.c" "$program.model.o" -lgcc -o "$program"
}

# build_mcu FOLDER PROGRAM CORE_FLAGS [FLAG...]: the same, for `mcu`.
build_mcu() {
    folder=$1 program=$2 core=$3
    shift 3
    # shellcheck disable=SC2086 # words
    build_c arm-none-eabi-gcc "$folder" "$program" host_semihosting -mthumb $core -ffreestanding \
        -fno-tree-loop-distribute-patterns -nostdlib -nostartfiles -T "$HERE/mcu/mps2.ld" "$@"
}

# mcu PROGRAM BOARD IMAGES INPUT [OPTION...]: answers to PROGRAM.out.
mcu() {
    program=$1 board=$2 count=$3 input=$4
    shift 4
    timeout 900 qemu-system-arm -M "$board" -display none -monitor none -serial none -semihosting-config \
        "enable=on,target=native,arg=program,arg=$input,arg=$program.out,arg=$count" -kernel "$program" "$@"
}

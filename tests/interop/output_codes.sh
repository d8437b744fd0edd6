# shellcheck shell=sh
# A network in $dir/int, called $name and quantized by $set, on LiteRT, on ONNX Runtime and as C, held to the codes of
# bitfold's engine: part of int16.sh and regression.sh.  HERE is this folder, $bitfold the program, $modules npm's, $work a
# scratch folder.
# shellcheck disable=SC2154

# must COMMAND...: or what it said, and an end.
must() {
    "$@" >"$work/log" 2>&1 && return
    tail -n 3 "$work/log"
    exit 1
}

# The file of the network's output in a dump.
output_in() {
    answer=$(sed -n 's/^ *"output": "\(.*\)",$/\1/p' "$1/tensors.json")
    for file in "$1/$answer".i8 "$1/$answer".i16 "$1/$answer".i32; do if [ -f "$file" ]; then echo "$file"; fi; done
}

# compared WHERE GOT DUMP: the network's output, as many images of DUMP as there are.
compared() {
    want=$(output_in "$3") bytes=$(wc -c <"$2")
    if [ -z "$want" ] || [ "$bytes" -eq 0 ] || ! cmp -n "$bytes" "$2" "$want"; then
        echo "$name, $set: $1 gives other codes"
        exit 1
    fi
    echo "$name, $set: $((bytes * 8 / ${want##*.i})) codes on $1, 0 different"
}

on_litert() {
    must "$bitfold" export "$dir/int/model.safetensors" -o "$dir/m.tflite"
    must "$bitfold" eval "$dir/int/model.safetensors" --dump "$dir/dump"
    must env NODE_PATH="$modules" node "$HERE/run_tflite.cjs" "$dir/m.tflite" "$dir/dump/input.i8" "$dir/out"
    compared LiteRT "$dir/out" "$dir/dump"
}

# on_onnxruntime NEED: at `all`, of compare.cjs.
on_onnxruntime() {
    must "$bitfold" export "$dir/int/model.safetensors" --set quant.target=onnxruntime --option input=codes -o "$dir/m.onnx"
    must "$bitfold" eval "$dir/int/model.safetensors" --set quant.target=onnxruntime --dump "$dir/onnx"
    for level in all disabled; do
        need=$([ $level = all ] && echo "$1" || echo nothing)
        must env NODE_PATH="$modules" node "$HERE/run_onnx.cjs" "$dir/m.onnx" "$dir/onnx/input.i8" "$dir/out" --opt $level
        env NODE_PATH="$modules" node "$HERE/compare.cjs" "$dir/onnx" "$dir/out" --floats yes --model "$name" \
            --export "ONNX, $set" --runtime "ONNX Runtime, $level" --need "$need" || exit 1
    done
}

# in_c ROUNDING: all images here, 10 on a Cortex-M4.
in_c() {
    c=$dir/c-$1
    mkdir -p "$c"
    must "$bitfold" export "$dir/int/model.safetensors" --set quant.dialect="$1" --to c -o "$c/model.c"
    must "$bitfold" eval "$dir/int/model.safetensors" --set quant.dialect="$1" --dump "$c/dump"
    images=$(($(wc -c <"$c/dump/input.i8") / $(awk '$2 == "MODEL_INPUT_BYTES" { print $3 }' "$c/model.h")))
    must build_c gcc "$c" "$c/here" host_stdio -DMODEL_SELF_TEST
    must "$c/here" "$c/dump/input.i8" "$c/out" "$images"
    compared "this machine, C, $1" "$c/out" "$c/dump"
    must build_mcu "$c" "$c/elf" -mcpu=cortex-m4 -DMODEL_SELF_TEST
    must mcu "$c/elf" mps2-an386 10 "$c/dump/input.i8"
    compared "a Cortex-M4, C, $1" "$c/elf.out" "$c/dump"
}

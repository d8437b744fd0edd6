#!/bin/sh
# int16 codes on LiteRT, and as C on this machine and on a Cortex-M4: networks with all of them, some of them and the
# output alone in 16 bits, every kind of layer; every code must be that of bitfold's engine.  The output alone also on
# ONNX Runtime, which makes these codes of float32: none may be off by more than 1.  After run.sh, which installs the
# runtimes:
#     sh tests/interop/int16.sh BUILD [c]
# c: as C alone.
set -u
build=${1:?int16.sh: the build folder is required}
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/interop/build_c.sh
. "$HERE/build_c.sh"
only=${2:-all}
modules=$([ "$only" = c ] || { cd "$build/interop/node_modules" && pwd; }) || exit 1
bitfold=$build/release/bitfold
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/mixed.json" <<'JSON'
{"data": {"dataset": "synthetic", "classes": 10, "synthetic_train": 512, "synthetic_test": 500},
 "model": {"input": [28, 28, 1], "layers": [
  {"type": "conv2d", "name": "a", "filters": 8, "kernel": 3, "stride": 2, "padding": "same", "batch_norm": true,
   "activation": "relu"},
  {"type": "depthwise_conv2d", "name": "b", "kernel": 3, "padding": "same", "batch_norm": true},
  {"type": "add", "name": "s", "inputs": ["a", "b"], "activation": "relu6"},
  {"type": "avgpool", "name": "p", "kernel": 2},
  {"type": "maxpool", "name": "q", "kernel": 2, "inputs": "b"},
  {"type": "activation", "name": "r", "inputs": "q"},
  {"type": "concat", "name": "c", "inputs": ["p", "q", "r"]},
  {"type": "conv2d", "name": "g", "filters": 24, "kernel": 3, "pads": [1, 1, 1, 1], "stride": 2, "groups": 2,
   "activation": "relu6"},
  {"type": "global_avgpool", "name": "gp"},
  {"type": "dense", "name": "se", "units": 24, "activation": "relu"},
  {"type": "multiply", "name": "m", "inputs": ["g", "se"]},
  {"type": "flatten", "name": "f"},
  {"type": "dense", "name": "d", "units": 10}]},
 "train": {"epochs": 2, "batch": 64}}
JSON

# must COMMAND...: or what it said, and an end.
must() {
    "$@" >"$work/log" 2>&1 && return
    tail -n 3 "$work/log"
    exit 1
}

# compared WHERE GOT DUMP: every output of 16 bits in DUMP.
compared() {
    for want in "$3"/*.i16; do
        if ! cmp "$2" "$want"; then
            echo "int16: $name, $set: $1 gives other codes"
            exit 1
        fi
        echo "int16: $name, $set: $(($(wc -c <"$want") / 2)) codes on $1, 0 different"
    done
}

on_litert() {
    must "$bitfold" export "$dir/int/model.safetensors" -o "$dir/m.tflite"
    must "$bitfold" eval "$dir/int/model.safetensors" --dump "$dir/dump"
    must env NODE_PATH="$modules" node "$HERE/run_tflite.cjs" "$dir/m.tflite" "$dir/dump/input.i8" "$dir/out"
    compared LiteRT "$dir/out" "$dir/dump"
}

on_onnxruntime() {
    must "$bitfold" export "$dir/int/model.safetensors" --set quant.target=onnxruntime --option input=codes -o "$dir/m.onnx"
    must "$bitfold" eval "$dir/int/model.safetensors" --set quant.target=onnxruntime --dump "$dir/onnx"
    for level in all disabled; do
        must env NODE_PATH="$modules" node "$HERE/run_onnx.cjs" "$dir/m.onnx" "$dir/onnx/input.i8" "$dir/out" --opt $level
        env NODE_PATH="$modules" node "$HERE/compare.cjs" "$dir/onnx" "$dir/out" --floats yes --model "$name" \
            --export "ONNX, $set" --runtime "ONNX Runtime, $level" --need "$([ $level = all ] && echo within=1 || echo nothing)" ||
            exit 1
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
    mkdir -p "$c/first"
    for want in "$c"/dump/*.i16; do head -c "$(wc -c <"$c/elf.out")" "$want" >"$c/first/${want##*/}"; done
    compared "a Cortex-M4, C, $1" "$c/elf.out" "$c/first"
}

# check NAME CONFIG ASSIGNMENT: one network, quantized so, its output code by code.
check() {
    name=$1 set=$3 dir=$work/$1
    must "$bitfold" train "$2" --quiet --out "$dir/float" --set train.epochs=2
    must "$bitfold" ptq "$dir/float/best.safetensors" --quiet --out "$dir/int" --set "$3"
    [ "$only" = c ] || on_litert
    [ "$only" = c ] || [ "$3" != quant.output_bits=16 ] || on_onnxruntime
    in_c tflite-single
    in_c tflite-double
}

check all "$work/mixed.json" quant.activations.bits=16
check output "$work/mixed.json" quant.output_bits=16
check some "$work/mixed.json" 'quant.overrides=[{"layers": "[bcr]", "format": "int16"}, {"layers": "d", "format": "int16"}]'
check lenet configs/mnist_sample_lenet.json quant.activations.bits=16
check bars configs/regression_bars.json quant.output_bits=16

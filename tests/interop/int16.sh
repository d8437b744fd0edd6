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
# shellcheck source=tests/interop/output_codes.sh
. "$HERE/output_codes.sh"
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

# check NAME CONFIG ASSIGNMENT: one network, quantized so, its output code by code.
check() {
    name=$1 set=$3 dir=$work/$1
    must "$bitfold" train "$2" --quiet --out "$dir/float" --set train.epochs=2
    must "$bitfold" ptq "$dir/float/best.safetensors" --quiet --out "$dir/int" --set "$3"
    [ "$only" = c ] || on_litert
    [ "$only" = c ] || [ "$3" != quant.output_bits=16 ] || on_onnxruntime within=1
    in_c tflite-single
    in_c tflite-double
}

check all "$work/mixed.json" quant.activations.bits=16
check output "$work/mixed.json" quant.output_bits=16
check some "$work/mixed.json" 'quant.overrides=[{"layers": "[bcr]", "format": "int16"}, {"layers": "d", "format": "int16"}]'
check lenet configs/mnist_sample_lenet.json quant.activations.bits=16
check bars configs/regression_bars.json quant.output_bits=16

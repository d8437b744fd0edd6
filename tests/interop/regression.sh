#!/bin/sh
# The regression of configs/regression_bars.json with an output of 8, of 16 and of 32 bits: R2 of the integer engine beside the
# float network's, within 0.002 of it, and each of them on LiteRT, on ONNX Runtime, and as C on this machine and on a
# Cortex-M4, whose codes are those of bitfold's engine; on ONNX Runtime, which makes int16 of float32, none is off by more
# than 1; 32 bits go to C alone.  After run.sh, which installs the runtimes:
#     sh tests/interop/regression.sh BUILD
set -u
build=${1:?regression.sh: the build folder is required}
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/interop/build_c.sh
. "$HERE/build_c.sh"
# shellcheck source=tests/interop/output_codes.sh
. "$HERE/output_codes.sh"
modules=$(cd "$build/interop/node_modules" && pwd) || exit 1
bitfold=$build/release/bitfold
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# r2 MODEL: on the test images.
r2() {
    "$bitfold" eval "$1" --json --quiet | awk -F '[:,]' '$1 ~ /^ *"r2"$/ { printf "%.4f", $2; exit }'
}

must "$bitfold" train configs/regression_bars.json --quiet --out "$work/float"
float=$(r2 "$work/float")
echo "bars: R2 $float, float"
for bits in 8 16 32; do
    name=bars set=quant.output_bits=$bits dir=$work/$bits
    must "$bitfold" ptq "$work/float" --quiet --out "$dir/int" --set "$set"
    got=$(r2 "$dir/int")
    echo "bars: R2 $got, integer engine, $set"
    if ! awk -v a="$float" -v b="$got" 'BEGIN { exit !(a > 0.9 && a - b <= 0.002 && b - a <= 0.002) }'; then
        echo "bars, $set: R2 $got; must be within 0.002 of float's $float"
        exit 1
    fi
    [ "$bits" = 32 ] || on_litert
    [ "$bits" = 32 ] || on_onnxruntime "$([ "$bits" = 8 ] && echo identical || echo within=1)"
    in_c tflite-single
    in_c tflite-double
done

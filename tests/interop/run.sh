#!/bin/sh
# Exported models on runtimes that are not bitfold's: `make test-interop`, or
#     sh tests/interop/run.sh BUILD
# Trains six small models on data of this repository (MODELS="DIR..." takes quantized run directories instead), exports
# each in every way, runs the exports on 1,000 images (IMAGES=N) and compares the answers with bitfold's own engine.
# The microcontrollers run the first 200, with FULL=1 all.  TARGETS="c tflite onnx float import mixed" chooses; CODES=16 lets
# in models whose layers take fewer values than 32 (check_model.cjs).
# ONNX Runtime is tried in a default session and in one with session.x64quantprecision, and, on x86-64, on an emulated CPU
# with AVX2 only (the first 10 images, with FULL=1 100).
# ONNX Runtime and LiteRT come from npm, pinned in package-lock.json; the rest from Debian: sh setup.sh --interop.
set -u
build=${1:?run.sh: the build folder is required}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mkdir -p "$build/interop" && cd "$build/interop" && pwd) || exit 1
begin=$(date +%s)

for tool in node npm arm-none-eabi-gcc qemu-system-arm qemu-x86_64 gcc clang /usr/bin/python3; do
    if ! command -v "$tool" >/dev/null 2>&1; then
        echo "test-interop: $tool is missing; sh setup.sh --dev --interop installs it" >&2
        exit 1
    fi
done

# Into the build folder, and only when the list has changed.
install_packages() {
    cmp -s "$here/package-lock.json" "$work/installed.json" && return 0
    cp "$here/package.json" "$here/package-lock.json" "$work/" &&
        (cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) &&
        cp "$here/package-lock.json" "$work/installed.json"
}
install_packages || exit 1

jobs=$(nproc 2>/dev/null || echo 2) # before OMP_NUM_THREADS, which nproc heeds
export BITFOLD="${BITFOLD:-$build/release/bitfold}" NODE_PATH="$work/node_modules" OMP_WAIT_POLICY=passive
export OMP_NUM_THREADS=1 WORK="$work" HERE="$here"
rm -rf "$work/models"
mkdir -p "$work/models"

# Slow ones first: as many at a time as there are cores.
if [ -n "${MODELS:-}" ]; then
    for folder in $MODELS; do
        folder=$(cd "$folder" && pwd)
        printf '%s %s\n' "$(basename "$(dirname "$folder")")-$(basename "$folder")" "$folder"
    done
else
    printf '%s -\n' resnet8 mobilenetv1_025 kws_dscnn lenet5 lenet5_w4 mobilenetv3
fi >"$work/list"
xargs -P "$jobs" -n 2 sh "$here/model.sh" <"$work/list"

table() { cat "$work"/models/*/"$1" 2>/dev/null; }
# Single operations, summed over the models: no answer may be off by more than 1.
operations() {
    table operations | awk -F '\t' '
        { k = $1 "\t" $2 "\t" $3; n[k]++; values[k] += $5; off[k] += $6; if ($7 > most[k]) most[k] = $7 }
        END {
            for (k in n) {
                split(k, part, "\t")
                printf "| %s | %s, %s | %d | %d | %d (%.4f %%) | %d | %s |\n", part[3], part[1], part[2], n[k], values[k],
                    off[k], 100 * off[k] / values[k], most[k], most[k] <= 1 ? "yes" : "NO"
            }
        }' | sort
}
rows() { table compared && table costs && operations; }
passed=$(rows | grep -c '| yes |$')
failed=$(rows | grep -v -c -e '| yes |$' -e '| - |$')
# A model whose script did not reach its end is a failure of its own.
while read -r model _; do
    [ -e "$work/models/$model/done" ] && continue
    echo "test-interop: $model: did not finish"
    failed=$((failed + 1))
done <"$work/list"

echo
echo "| model | export | runtime | images | values | different | largest | same answer | met |"
echo "|---|---|---|---|---|---|---|---|---|"
table compared
echo
echo "| model | C, dialect | core | flash, bytes | RAM, bytes | stack, bytes | instructions an image | met |"
echo "|---|---|---|---|---|---|---|---|"
table costs
echo
echo "| operation alone | ONNX Runtime | operations | values | different | largest | met |"
echo "|---|---|---|---|---|---|---|"
operations
echo
echo "tests: $passed passed, $failed failed, interop, $(($(date +%s) - begin)) s"
[ "$failed" -eq 0 ]

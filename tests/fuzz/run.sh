#!/bin/sh
# Runs the fuzzer of a build on targets, each for some seconds; all of them when none is named:
#     sh tests/fuzz/run.sh build/fuzz 600 [NAME...]
# An input that breaks a target stays in build/fuzz/broken/; put it into tests/fuzz/found/NAME/ and it is a test.
set -u
build=${1:?run.sh: the folder of a fuzzing build is required}
seconds=${2:?run.sh: seconds for each target are required}
shift 2
here=$(dirname "$0")
# shellcheck disable=SC2046 # a list of names
[ $# -gt 0 ] || set -- $(sed -n 's/^FUZZ(\(.*\))$/\1/p' "$here/targets.def")

folder=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo /tmp)" bitfold_fuzz_XXXXXX) || exit 1
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM
mkdir -p "$build/broken"
export OMP_WAIT_POLICY=passive TMPDIR="$folder"
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=0}"

failed=0
for name in "$@"; do
    corpus=$build/corpus/$name log=$build/$name.log
    mkdir -p "$corpus"
    ln -sf fuzz "$build/$name"
    others= # tests/onnx holds models that others wrote
    for more in "$here/seeds/$name" "$here/found/$name" "$here/../$name"; do [ ! -d "$more" ] || others="$others $more"; done
    # shellcheck disable=SC2086 # a list of folders
    if "$build/$name" -max_total_time="$seconds" -max_len=65536 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$build/broken/$name-" "$corpus" $others >"$log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        edges=$(sed -n 's/^#.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
        echo "pass fuzz $name: $runs inputs in $seconds s, $edges edges, $(find "$corpus" -type f | wc -l) kept"
    else
        failed=$((failed + 1))
        tail -n 40 "$log"
        echo "FAIL fuzz $name (see $log)"
    fi
done
[ "$failed" -eq 0 ]

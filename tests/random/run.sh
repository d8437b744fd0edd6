#!/bin/sh
# `make test-random`: random networks, then what they were exported to on LiteRT and ONNX Runtime, where `make
# test-interop` has installed those:  sh tests/random/run.sh PROGRAM NETS SEED MODULES
set -u
program=${1:?run.sh: the program is required} nets=${2:-200} seed=${3:-1} modules=${4:-}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
begin=$(date +%s) passed=1 failed=0

NETS=$nets SEED=$seed KEEP=$work "$program" || { passed=0 failed=1; }
if [ -d "$modules" ]; then
    if NODE_PATH=$modules node "$here/run_node.cjs" "$work" 2>"$work/log"; then
        passed=$((passed + 1))
    else
        tail -n 3 "$work/log"
        failed=$((failed + 1))
    fi
fi
for config in "$work"/random_*.json; do # of networks that differ
    if [ -e "$config" ]; then cp "$config" .; fi
done
echo "tests: $passed passed, $failed failed, random networks, $(($(date +%s) - begin)) s"
[ "$failed" -eq 0 ]

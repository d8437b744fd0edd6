#!/bin/sh
# What the tests of a build made with --coverage have run (`make coverage`): every file with the lines that were not, the
# sum of all, and the sum without the kernels of single instruction sets, of which a machine runs only its own; it fails
# when that is below 90 %.
set -eu
build=${1:?coverage.sh: the folder of a build is required}
command -v gcovr >/dev/null 2>&1 || {
    echo "coverage: gcovr is missing; sh setup.sh --dev installs it" >&2
    exit 1
}
rooms='(base|kernels|autograd|quant|layers|optim|datasets|deploy|train|cli)/'
gcovr --root . --filter "$rooms" --json "$build/coverage.json" "$build"
gcovr --root . --add-tracefile "$build/coverage.json" --exclude '.*__[a-z0-9]+\.c' --sort-percentage --txt -
echo "all files:"
gcovr --root . --add-tracefile "$build/coverage.json" --print-summary --txt /dev/null
echo "without the kernels of single instruction sets:"
gcovr --root . --add-tracefile "$build/coverage.json" --exclude '.*__[a-z0-9]+\.c' --print-summary --txt /dev/null \
    --fail-under-line 90

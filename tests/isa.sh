#!/bin/sh
# The test programs given, with the kernels of each instruction set this machine has (`make test-isa`): a line for each,
# and all of the output where something failed.  BELOW_BEST=1 leaves out the best one, which `make test` has run.
set -u
output=$(mktemp)
trap 'rm -f "$output"' EXIT
failed=0 levels=

for isa in ref avx2 avx512 vnni amx; do
    if BITFOLD_ISA=$isa "$BITFOLD" describe --schema >"$output" 2>&1; then
        levels="$levels $isa"
    else
        echo "$isa: not tested: $(sed -n 's/^bitfold: BITFOLD_ISA=[a-z0-9]*: \([^;]*\).*/\1/p' "$output")"
    fi
done
if [ -n "${BELOW_BEST:-}" ]; then levels=${levels% *}; fi

for isa in $levels; do
    if ! BITFOLD_ISA=$isa sh "$(dirname "$0")/run.sh" "$@" >"$output"; then
        grep -v '^pass ' "$output"
        failed=1
    fi
    echo "$(tail -n 1 "$output"), BITFOLD_ISA=$isa"
done
exit "$failed"

#!/bin/sh
# Runs test programs (C) and test scripts (*.sh, which find the program in $BITFOLD), as many at a time as there are
# cores (TEST_JOBS changes that), and sums up.  A script that exits 77 had no business in this build and counts as
# skipped.  $BITFOLD_RUN runs the programs of another CPU.
# OMP threads wait passively: the machine may be shared.
export OMP_WAIT_POLICY=passive
begin=$(date +%s)

# One test: a line, and all of its output where it failed; the numbers "passed failed skipped" into the file $1.
# Check's own summary tells how many tests a program held; a script, or a program that crashed before it, is one test.
one() {
    if [ -n "${BITFOLD_PROFILES:-}" ]; then # of a build that counts what it runs (tests/coverage.sh)
        build=${BITFOLD_PROFILES%/*}/
        GCOV_PREFIX=$BITFOLD_PROFILES/$(basename "$2")
        GCOV_PREFIX_STRIP=$(($(printf '%s' "$build" | tr -cd / | wc -c) - 1))
        GCOV_ERROR_FILE=/dev/null
        export GCOV_PREFIX GCOV_PREFIX_STRIP GCOV_ERROR_FILE
    fi
    case $2 in
    *.sh) sh "$2" >"$1.output" 2>&1 ;;
    *) ${BITFOLD_RUN:+"$BITFOLD_RUN"} "$2" >"$1.output" 2>&1 ;;
    esac
    code=$?
    case $code in
    0) echo "pass $2 $(sed -n 's/^[0-9]*%: Checks: \([0-9]*\).*/(\1)/p' "$1.output")" ;;
    77) echo "skip $2: $(tail -n 1 "$1.output")" ;;
    *) echo "$(cat "$1.output")
FAIL $2 (exit $code)" ;;
    esac
    checks=$(sed -n 's/^[0-9]*%: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\)$/\1 \2 \3/p' "$1.output")
    # shellcheck disable=SC2086 # three numbers
    set -- "$1" "$code" $checks
    if [ $# -eq 5 ]; then
        bad=$(($4 + $5))
        passed=$(($3 - bad))
        if [ "$2" -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
        echo "$passed $bad 0" >"$1"
    elif [ "$2" -eq 0 ]; then
        echo "1 0 0" >"$1"
    elif [ "$2" -eq 77 ]; then
        echo "0 0 1" >"$1"
    else
        echo "0 1 0" >"$1"
    fi
}

if [ "${1:-}" = --one ]; then
    one "$2" "$3"
    exit
fi

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
n=0
for t in "$@"; do
    n=$((n + 1))
    echo "0 1 0" >"$results/$n" # until the test says otherwise
    printf '%s\0%s\0' "$results/$n" "$t"
done | xargs -0 -n 2 -P "${TEST_JOBS:-$(nproc 2>/dev/null || echo 1)}" sh "$0" --one
rm -f "$results"/*.output
cat "$results"/* | awk -v seconds=$(($(date +%s) - begin)) '
    { passed += $1; failed += $2; skipped += $3 }
    END { printf "tests: %d passed, %d failed, %d skipped, %d s\n", passed, failed, skipped, seconds; exit failed > 0 }'

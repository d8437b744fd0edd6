#!/bin/sh
# Runs test programs (C) and test scripts (*.sh, which find the program in $BITFOLD) and sums up.
# A script that exits 77 had no business in this build and counts as skipped.  $BITFOLD_RUN runs the programs of another
# CPU.
# OMP threads wait passively: the machine may be shared.
export OMP_WAIT_POLICY=passive
passed=0 failed=0 skipped=0
begin=$(date +%s)
output=$(mktemp)
trap 'rm -f "$output"' EXIT

# Check's own summary tells how many tests a program held; a script, or a program that crashed before it, is one test.
tally() {
    checks=$(sed -n 's/^[0-9]*%: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\)$/\1 \2 \3/p' "$output")
    # shellcheck disable=SC2086 # three numbers
    set -- "$1" $checks
    if [ $# -eq 4 ]; then
        bad=$(($3 + $4))
        passed=$((passed + $2 - bad))
        if [ "$1" -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
        failed=$((failed + bad))
    elif [ "$1" -eq 0 ]; then
        passed=$((passed + 1))
    elif [ "$1" -eq 77 ]; then
        skipped=$((skipped + 1))
    else
        failed=$((failed + 1))
    fi
}

for t in "$@"; do
    case $t in
    *.sh) sh "$t" >"$output" 2>&1 ;;
    *) ${BITFOLD_RUN:+"$BITFOLD_RUN"} "$t" >"$output" 2>&1 ;;
    esac
    code=$?
    case $code in
    0) echo "pass $t $(sed -n 's/^[0-9]*%: Checks: \([0-9]*\).*/(\1)/p' "$output")" ;;
    77) echo "skip $t: $(tail -n 1 "$output")" ;;
    *)
        cat "$output"
        echo "FAIL $t (exit $code)"
        ;;
    esac
    tally "$code"
done

echo "tests: $passed passed, $failed failed, $skipped skipped, $(($(date +%s) - begin)) s"
[ "$failed" -eq 0 ]

#!/bin/sh
# Runs the test programs given and sums up.  OMP threads wait passively: the machine may be shared.
export OMP_WAIT_POLICY=passive
passed=0 failed=0
for t in "$@"; do
    if "$t"; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        echo "FAILED: $t" >&2
    fi
done
echo "test programs: $passed passed, $failed failed"
[ "$failed" -eq 0 ]

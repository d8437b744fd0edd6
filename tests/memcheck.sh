#!/bin/sh
# Test programs under valgrind, each with the program they start (`make memcheck`):
#     sh tests/memcheck.sh build/release TEST...
# Kernels are those for AVX2: valgrind knows no AVX-512.
set -u
build=${1:?memcheck.sh: the folder of a build is required}
shift
command -v valgrind >/dev/null 2>&1 || {
    echo "memcheck: valgrind is missing; sh setup.sh --dev installs it" >&2
    exit 1
}
isa=ref
if BITFOLD_ISA=avx2 "$build/bitfold" describe --schema >/dev/null 2>&1; then isa=avx2; fi

# Threads of libgomp live to the end of the program and are lost with it: not a leak.
# What valgrind says goes to files: tests look at what the program says.
run=$(pwd)/$build/memcheck
rm -rf "$run"
mkdir -p "$run/said"
printf '#!/bin/sh\nexec valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=definite %s %s "$@"\n' \
    '--errors-for-leak-kinds=definite' "--log-file=$run/said/%p" >"$run/valgrind"
printf '#!/bin/sh\nexec %s %s "$@"\n' "$run/valgrind" "$(pwd)/$build/bitfold" >"$run/bitfold"
chmod +x "$run/valgrind" "$run/bitfold"

# The program would start itself once more, without valgrind, to set GOMP_SPINCOUNT.
export BITFOLD="$run/bitfold" BITFOLD_RUN="$run/valgrind" BITFOLD_MODE=memcheck BITFOLD_ISA=$isa GOMP_SPINCOUNT=2000
export OMP_NUM_THREADS=2
sh "$(dirname "$0")/run.sh" "$@"
code=$?
# A line of an error begins with "==", one of what valgrind does not know with "--".
if grep -rhE '^==' "$run/said"; then
    echo "memcheck: valgrind found errors" >&2
    code=1
fi
exit "$code"

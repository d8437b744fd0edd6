#!/bin/sh
# Test programs under valgrind, each with the program they start (`make memcheck`):
#     sh tests/memcheck.sh build/release TEST...
# Kernels are those for AVX2: valgrind knows no AVX-512.
set -eu
build=${1:?memcheck.sh: the folder of a build is required}
shift
command -v valgrind >/dev/null 2>&1 || {
    echo "memcheck: valgrind is missing; sh setup.sh --dev installs it" >&2
    exit 1
}
isa=ref
if BITFOLD_ISA=avx2 "$build/bitfold" describe --schema >/dev/null 2>&1; then isa=avx2; fi

# Threads of libgomp live to the end of the program and are lost with it: not a leak.
run=$(pwd)/$build/memcheck
mkdir -p "$run"
printf '#!/bin/sh\nexec valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=definite %s "$@"\n' \
    '--errors-for-leak-kinds=definite' >"$run/valgrind"
printf '#!/bin/sh\nexec %s %s "$@"\n' "$run/valgrind" "$(pwd)/$build/bitfold" >"$run/bitfold"
chmod +x "$run/valgrind" "$run/bitfold"

# The program would start itself once more, without valgrind, to set GOMP_SPINCOUNT.
export BITFOLD="$run/bitfold" BITFOLD_RUN="$run/valgrind" BITFOLD_MODE=memcheck BITFOLD_ISA=$isa GOMP_SPINCOUNT=2000
export OMP_NUM_THREADS=2
exec sh "$(dirname "$0")/run.sh" "$@"

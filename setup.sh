#!/bin/sh
# Installs what bitfold needs on Debian and its relatives; elsewhere it prints the packages and stops.
# Asks nothing, may be run again at any time, works as root or through sudo.
#
#   sh setup.sh             what building, testing and using bitfold needs
#   sh setup.sh --dev       and the tools of `make check`, `make tsan`, `make memcheck` and `make coverage`
#   sh setup.sh --arm64     and what `make test-arm64` builds and runs aarch64 with
#   sh setup.sh --mpi       and what `make MPI=1` builds with, for training over several machines
#   sh setup.sh --interop   and the foreign runtimes that exported models are tried on
set -eu

user="gcc libc6-dev make pkg-config libcjson-dev libpng-dev libjpeg-dev zlib1g-dev libprotobuf-c-dev protobuf-c-compiler check gnuplot-nox curl ca-certificates"
dev="git clang libclang-rt-dev clang-format clang-tidy libomp-dev cppcheck shellcheck valgrind gcovr locales man-db"
arm64="gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"
mpi="openmpi-bin libopenmpi-dev"
interop="nodejs npm gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm qemu-user python3-onnx"

usage() { sed -n '2,9s/^# \{0,1\}//p' "$0"; }

want=$user
for option in "$@"; do
    case $option in
    --dev) want="$want $dev" ;;
    --arm64) want="$want $arm64" ;;
    --mpi) want="$want $mpi" ;;
    --interop) want="$want $interop" ;;
    -h | --help) usage && exit 0 ;;
    *)
        echo "setup.sh: $option: not an option; must be --dev, --arm64, --mpi, --interop or --help" >&2
        exit 2
        ;;
    esac
done

if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg-query >/dev/null 2>&1; then
    echo "setup.sh: this system has no apt. Install what these Debian packages hold, then run make:" >&2
    echo "$want" | tr ' ' '\n' | sed 's/^/    /' >&2
    exit 1
fi

missing=
for package in $want; do
    # Node.js from its makers brings npm along and refuses Debian's package.
    if [ "$package" = npm ] && command -v npm >/dev/null 2>&1; then continue; fi
    case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true) in
    installed) ;;
    *) missing="$missing $package" ;;
    esac
done
if [ -z "$missing" ]; then
    echo "setup.sh: everything is installed"
    exit 0
fi

as_root=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "setup.sh: neither root nor sudo; as root run: apt-get install$missing" >&2
        exit 1
    fi
    as_root=sudo
fi

apt() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 \
        -o Dpkg::Options::=--force-confold "$@"
}

echo "setup.sh: installing$missing"
apt update || echo "setup.sh: the package lists could not be refreshed; trying with those that are here" >&2
# shellcheck disable=SC2086 # a list of words
apt install --no-install-recommends $missing
echo "setup.sh: done"

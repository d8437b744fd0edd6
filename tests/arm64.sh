#!/bin/sh
# Builds bitfold for aarch64 with Debian's cross compiler and runs its tests under qemu-user: `make test-arm64`.
#
# The libraries come from Debian's :arm64 packages, unpacked below build/arm64/: the system stays as it is.  Programs
# start through a script of one line, because not every machine may register foreign ones with its kernel.
set -eu

cc=aarch64-linux-gnu-gcc
qemu=$(command -v qemu-aarch64 || command -v qemu-aarch64-static || true)
loader=/usr/aarch64-linux-gnu
build=${1:-build}
root=$(pwd)/$build/arm64
sysroot=$root/sysroot

need() {
    echo "test-arm64: $1 is missing; sh setup.sh --arm64 installs it" >&2
    exit 1
}
command -v $cc >/dev/null 2>&1 || need $cc
[ -n "$qemu" ] || need qemu-aarch64
[ -e $loader/lib/ld-linux-aarch64.so.1 ] || need "the C library for arm64 (libc6-dev-arm64-cross)"
command -v apt-get >/dev/null 2>&1 || need apt-get

# A world of apt's own: no package counts as installed, no list of this system is touched.
apt() {
    apt-get -qq -o Dir::State="$root/apt" -o Dir::State::status="$root/apt/status" -o Dir::Cache="$root/apt" \
        -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User=root \
        -o Acquire::Languages=none -o Acquire::Retries=3 "$@"
}

fetch_libraries() {
    rm -rf "$sysroot.new" "$root/apt"
    mkdir -p "$root/apt/lists/partial" "$root/apt/archives/partial"
    : >"$root/apt/status"
    apt update
    packages=$(apt -y install --no-install-recommends --print-uris libcjson-dev libpng-dev libjpeg62-turbo-dev zlib1g-dev libprotobuf-c-dev check |
        sed -n "s/.* \([^ _]*\)_[^ ]*_arm64\.deb .*/\1/p" | grep -E '^(check|libcjson|libjpeg62-turbo|libpng|libprotobuf-c|libsubunit|zlib1g)')
    # shellcheck disable=SC2086 # a list of words
    (cd "$root/apt/archives" && apt download $packages)
    for package in "$root"/apt/archives/*.deb; do dpkg -x "$package" "$sysroot.new"; done
    # /lib is /usr/lib, and links that name places of the root name their neighbours.
    if [ -d "$sysroot.new/lib" ]; then cp -a "$sysroot.new/lib/." "$sysroot.new/usr/lib/"; fi
    for link in "$sysroot.new"/usr/lib/aarch64-linux-gnu/*.so; do
        if [ -L "$link" ]; then ln -sfn "$(basename "$(readlink "$link")")" "$link"; fi
    done
    rm -rf "$sysroot"
    mv "$sysroot.new" "$sysroot"
    rm -rf "$root/apt"
}
# One of an earlier version may lack a library.
if [ ! -e "$sysroot/usr/include/jpeglib.h" ]; then fetch_libraries; fi

run=$root/run
printf '#!/bin/sh\nexec %s -L %s "$@"\n' "$qemu" "$loader" >"$run"
printf '#!/bin/sh\nexec %s %s "$@"\n' "$run" "$root/bitfold" >"$root/program"
chmod +x "$run" "$root/program"

libraries=$sysroot/usr/lib/aarch64-linux-gnu
export PKG_CONFIG_LIBDIR="$libraries/pkgconfig" BITFOLD_RUN="$run"
${MAKE:-make} --no-print-directory MODE=arm64 BUILD="$build" CC=$cc PROGRAM="$root/program" \
    CFLAGS="-isystem $sysroot/usr/include -isystem $sysroot/usr/include/aarch64-linux-gnu" \
    LDFLAGS="-L$libraries -Wl,-rpath,$libraries" test

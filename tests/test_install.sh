#!/bin/sh
# make install: the files are there, only bitfold_* is visible, a C program trains a model with either library, the
# installed program runs, and uninstall leaves nothing.
set -eu
if [ "${BITFOLD_MODE:-release}" != release ]; then
    echo "only the release build is installed"
    exit 77
fi
unset MAKEFLAGS MFLAGS MAKELEVEL MODE PREFIX DESTDIR
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

fail() {
    echo "test_install: $*" >&2
    exit 1
}

# Twice: an installation over another must work, and the second may not build anything.
make -s install PREFIX="$prefix" >"$work/install.log" 2>&1 || { cat "$work/install.log" && fail "make install failed"; }
make V=1 install PREFIX="$prefix" >"$work/again.log" 2>&1 || { cat "$work/again.log" && fail "make install again failed"; }
if grep -E ' -c .* -o | -shared ' "$work/again.log"; then fail "the second make install compiled again"; fi

version=$(sed -n 's/^#define BITFOLD_VERSION "\(.*\)"/\1/p' include/bitfold.h)
for f in bin/bitfold lib/libbitfold.a "lib/libbitfold.so.$version" "lib/libbitfold.so.${version%%.*}" lib/libbitfold.so \
    include/bitfold.h lib/pkgconfig/bitfold.pc share/man/man1/bitfold.1 \
    share/bash-completion/completions/bitfold share/zsh/site-functions/_bitfold; do
    [ -s "$prefix/$f" ] || fail "$f is missing or empty"
done
grep -q "\"bitfold $version\"" docs/bitfold.1 || fail "the man page is of another version"
if grep -rn '@[A-Z]*@' "$prefix/lib/pkgconfig" "$prefix/share/man"; then fail "a placeholder was left"; fi

names=$(nm -D --defined-only "$prefix/lib/libbitfold.so" | awk '{ print $NF }' | grep -v '^bitfold_' || true)
[ -z "$names" ] || fail "libbitfold.so exports" "$names"
names=$(nm -g --defined-only "$prefix/lib/libbitfold.a" | awk 'NF == 3 { print $3 }' | grep -v '^bitfold_' || true)
[ -z "$names" ] || fail "libbitfold.a exports" "$names"
readelf -d "$prefix/lib/libbitfold.so" | grep -q "SONAME.*\[libbitfold.so.${version%%.*}\]" || fail "the soname is wrong"

# The header alone, as C99 without extensions.
echo '#include <bitfold.h>' | gcc -std=c99 -pedantic -Wall -Wextra -Werror -I"$prefix/include" -fsyntax-only -x c - ||
    fail "bitfold.h is not plain C"

export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
[ "$(pkg-config --modversion bitfold)" = "$version" ] || fail "pkg-config tells another version"
# shellcheck disable=SC2046 # flags are words
gcc -std=c11 -Wall -Wextra -Werror tests/data/embed.c -o "$work/embed_shared" \
    $(pkg-config --cflags --libs bitfold) || fail "the program does not build with libbitfold.so"
# shellcheck disable=SC2046
gcc -std=c11 -Wall -Wextra -Werror tests/data/embed.c -o "$work/embed_static" $(pkg-config --cflags bitfold) \
    $(pkg-config --static --libs bitfold | sed 's/-lbitfold /-l:libbitfold.a /') ||
    fail "the program does not build with libbitfold.a"
if readelf -d "$work/embed_static" | grep -q libbitfold; then fail "the static program needs libbitfold.so"; fi

accuracy=$(LD_LIBRARY_PATH="$prefix/lib" "$work/embed_shared" tests/data/embed.json "$work/shared") ||
    fail "the program did not train"
again=$("$work/embed_static" tests/data/embed.json "$work/static") || fail "the static program did not train"
[ "$accuracy" = "$again" ] || fail "the two libraries disagree: $accuracy and $again"
awk -v a="$accuracy" 'BEGIN { exit !(a > 0.5 && a <= 1) }' || fail "accuracy $accuracy; more than 0.5 is required"
cmp "$work/shared/last.safetensors" "$work/static/last.safetensors" || fail "the two libraries trained different models"
if LD_LIBRARY_PATH="$prefix/lib" "$work/embed_shared" "$work/absent.json" "$work/none" 2>"$work/message"; then
    fail "a config that does not exist was trained"
fi
grep -q absent.json "$work/message" || fail "the message does not name the file: $(cat "$work/message")"

"$prefix/bin/bitfold" --version | grep -qF "$version" || fail "the installed program tells another version"

make -s uninstall PREFIX="$prefix"
left=$(find "$prefix" ! -type d)
[ -z "$left" ] || fail "uninstall left" "$left"

#!/bin/sh
# What the tests of a build made with --coverage have run (`make coverage`): every file with the lines that were not, the
# sum of all, and the sum without the kernels of single instruction sets, of which a machine runs only its own; it fails
# when that is below 90 %:
#     sh tests/coverage.sh build/coverage ROOM...
set -eu
build=${1:?coverage.sh: the folder of a build is required}
command -v gcovr >/dev/null 2>&1 || {
    echo "coverage: gcovr is missing; sh setup.sh --dev installs it" >&2
    exit 1
}
# The profiles of all tests, one after the other: what cannot be merged (its program was killed while it wrote) is left out.
sum=$build/profiles.sum
rm -rf "$sum"
for profiles in "$build"/profiles/*/; do
    if [ ! -d "$sum" ]; then
        cp -r "$profiles" "$sum"
    elif gcov-tool merge "$sum" "$profiles" -o "$sum.new" >/dev/null 2>&1; then
        rm -rf "$sum"
        mv "$sum.new" "$sum"
    else
        echo "coverage: the profiles of $(basename "$profiles") are damaged and left out" >&2
        rm -rf "$sum.new"
    fi
done
find "$build" -name '*.gcda' -not -path '*/profiles*' -delete
cp -r "$sum"/. "$build"
rm -rf "$sum"

shift
rooms="($(echo "$@" | tr ' ' '|'))/"
gcovr --root . --filter "$rooms" --json "$build/coverage.json" --exclude-directories '.*/profiles' "$build"
gcovr --root . --add-tracefile "$build/coverage.json" --exclude '.*__[a-z0-9]+\.c' --sort-percentage --txt -
echo "all files:"
gcovr --root . --add-tracefile "$build/coverage.json" --print-summary --txt "$build/coverage.txt"
echo "without the kernels of single instruction sets:"
gcovr --root . --add-tracefile "$build/coverage.json" --exclude '.*__[a-z0-9]+\.c' --print-summary --txt "$build/coverage.txt" \
    --fail-under-line 90

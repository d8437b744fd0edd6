#!/bin/sh
# The commands of docs/posts.md, each against the lines that stand below it: sh tests/posts.sh [BUILD].  Makes runs/demo in a
# folder of its own.  The last line is "tests: P passed, F failed".
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
program=$here/${1:-build/release}/bitfold
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/bin" && ln -s "$program" "$folder/bin/bitfold" && ln -s "$here/configs" "$folder/configs" &&
    ln -s "$here/datasets" "$folder/datasets" || exit 1
PATH=$folder/bin:$PATH
export PATH
cd "$folder" || exit 1
bitfold compare configs/mnist_sample_lenet.json --out runs/demo --quiet >demo.txt 2>&1 || {
    cat demo.txt
    exit 1
}

passed=0
failed=0
said=
# Lines of four blanks: "$ COMMAND", then lines that its output must have, blanks at their ends apart.
while IFS= read -r line; do
    case $line in
    "    \$ "*)
        command=${line#"    \$ "}
        said=$(sh -c "$command" 2>&1 | sed 's/ *$//')
        ;;
    "    "*)
        [ -n "$said" ] || continue
        want=$(printf '%s\n' "${line#    }" | sed 's/ *$//')
        if printf '%s\n' "$said" | grep -qxF -e "$want"; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            printf 'docs/posts.md: %s\n  does not print: %s\n  but:\n%s\n' "$command" "$want" "$said"
        fi
        ;;
    *) said= ;;
    esac
done <"$here/docs/posts.md"
echo "tests: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]

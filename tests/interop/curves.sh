#!/bin/sh
# Every curve on all 256 codes of its input: networks of one curve each (tests/test_curve_exports.c) on LiteRT, ONNX
# Runtime and as C; every code must be that of bitfold's engine.  After run.sh, which installs the runtimes:
#     sh tests/interop/curves.sh BUILD
set -u
build=${1:?curves.sh: the build folder is required}
here=$(cd "$(dirname "$0")" && pwd)
modules=$(cd "$build/interop/node_modules" && pwd) || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

CURVE_EXPORTS=$work "$build/release/tests/test_curve_exports" >"$work/log" 2>&1 || {
    cat "$work/log"
    exit 1
}

# The networks in C as one program, which writes the answers of each to NAME.c.i8.
{
    echo '#include <stdio.h>'
    for header in "$work"/*.h; do echo "#include \"$(basename "$header")\""; done
    echo 'static void keep(const char *name, const int8_t *codes) {
        FILE *f = fopen(name, "wb");
        if (f == NULL || fwrite(codes, 1, 256, f) != 256 || fclose(f) != 0) perror(name); }
    int main(void) { int8_t in[256], out[256]; int i; for (i = 0; i < 256; i++) in[i] = (int8_t)(i - 128);'
    for header in "$work"/*.h; do
        name=$(basename "$header" .h)
        echo "    ${name}_run(in, out); keep(\"$name.c.i8\", out);"
    done
    echo '    return 0; }'
} >"$work/main.c.txt"
(cd "$work" && gcc -std=c99 -O1 -Wall -Wextra -Wpedantic -Wconversion -Werror -c ./*.c &&
    gcc -x c main.c.txt -x none ./*.o -o program && ./program) || exit 1

NODE_PATH=$modules node "$here/curves.cjs" "$work" 2>"$work/log" || {
    tail -n 3 "$work/log"
    exit 1
}

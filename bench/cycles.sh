#!/bin/sh
# What each step of the kernels of exported C costs in instructions on a Cortex-M4: small networks of a few layers
# (bench/cycles/nets.c) are exported to C and run on an emulated core, and the prices of deploy/c/cycles.def are those
# that give what was measured.  The networks of bench/results.csv are not among them.
#     sh bench/cycles.sh BUILD             measures anew: bench/cycles.csv and deploy/c/cycles.def (about 5 minutes)
#     FIT=1 sh bench/cycles.sh BUILD       deploy/c/cycles.def from bench/cycles.csv as it stands: after a change of terms
set -u
build=${1:?cycles.sh: the build folder is required}
here=$(cd "$(dirname "$0")/.." && pwd)
program=$build/release/cycles
table=bench/cycles.csv
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# shellcheck disable=SC1091 # m4.sh is checked by itself
. "$here/tests/interop/m4.sh"

measure() {
    m4_tools && "$program" export "$work" || return 1
    echo "network,format,m4_instructions"
    for folder in "$work"/*,*; do
        count=$(m4_count "$here/tests/interop/mcu" "$folder" "$work") || return 1
        echo "${folder##*/},$count"
    done
}

if [ -z "${FIT:-}" ]; then
    measure >"$work/measured" || exit 1
    cp "$work/measured" "$table"
fi
"$program" fit "$table" deploy/c/cycles.def

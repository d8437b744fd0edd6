#!/bin/sh
# Whether searches keep their tolerance: for each float MODEL and each of five seeds, the smallest network within half a
# point of float on the held-out images, what that is on the test images, and its size:
#     sh bench/searches.sh MODEL...
# A line each, and in the end how many kept it.  BITFOLD: the program; SEEDS, TOLERANCE: others than 1 to 5 and 0.5.
set -u
bitfold=${BITFOLD:-./bitfold}
seeds=${SEEDS:-1 2 3 4 5}
tolerance=${TOLERANCE:-0.5}
[ $# -gt 0 ] || {
    echo "usage: sh bench/searches.sh MODEL..." >&2
    exit 2
}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# number KEY FILE [N]: the N-th (first) number of that name in JSON.
number() {
    sed -n "s/^ *\"$1\": \([-0-9.e+]*\),*$/\1/p" "$2" | sed -n "${3:-1}p"
}

kept=0
all=0
printf '%-28s %4s %10s %10s %12s %12s %9s\n' model seed 'held out' test 'flash int8' 'flash found' networks
for model in "$@"; do
    "$bitfold" eval "$model" --json --quiet >"$folder/float.json" || exit 1
    float=$(number accuracy "$folder/float.json")
    for seed in $seeds; do
        all=$((all + 1))
        "$bitfold" search "$model" --tolerance "$tolerance" --seed "$seed" --out "$folder/run" --overwrite --json --quiet \
            >"$folder/search.json" 2>"$folder/error"
        code=$?
        [ -s "$folder/search.json" ] || {
            cat "$folder/error" >&2
            exit 1
        }
        [ "$code" -eq 0 ] && kept=$((kept + 1))
        awk -v model="$model" -v seed="$seed" -v drop="$(number drop "$folder/search.json")" -v float="$float" \
            -v test="$(number accuracy "$folder/search.json" 2)" -v flash="$(number flash_bytes "$folder/search.json")" \
            -v int8="$(sed -n '2{s/,.*//;p;}' "$folder/run/pareto.csv")" \
            -v networks="$(number evaluations "$folder/search.json")" 'BEGIN {
                printf "%-28s %4d %+10.2f %+10.2f %12d %12d %9d\n", model, seed, -drop, 100 * (test - float), int8, flash,
                       networks
            }'
    done
done
echo "$kept of $all within $tolerance points on the held-out images"
[ "$kept" -eq "$all" ]

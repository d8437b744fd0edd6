#!/bin/sh
# A training step next to busy processes, for each way in which libgomp's threads can wait at the end of a parallel region:
# prints a table.  `brief` is what bitfold chooses for itself.
#     sh bench/busy.sh [BITFOLD]
set -eu
program=${1:-./bitfold}

step() { # config busy policy; about two seconds, so that the scheduler has a say
    steps=600
    if [ "$1" = cifar10_resnet8 ]; then steps=80; fi
    pids=
    for _ in $(seq "$2"); do
        sh -c 'while :; do :; done' &
        pids="$pids $!"
    done
    case $3 in
        brief) set -- "$@" GOMP_SPINCOUNT=2000 ;;
        long) set -- "$@" GOMP_SPINCOUNT=100000 ;;
        sleep) set -- "$@" OMP_WAIT_POLICY=passive ;;
        spin) set -- "$@" OMP_WAIT_POLICY=active ;;
    esac
    env "$4" timeout 40 "$program" bench "configs/$1.json" --mode float --batch 32 --steps "$steps" --threads 2 --json |
        sed -n 's/^ *"ms_per_step": *\([0-9]*\.[0-9]\{0,2\}\)[0-9]*,*$/\1/p' || echo
    # shellcheck disable=SC2086 # a list
    if [ -n "$pids" ]; then kill $pids; fi
}

printf '%-34s%12s%12s%12s\n' 'ms a float step, batch 32, 2 threads' 'alone' '1 busy' '2 busy'
for config in mnist_lenet cifar10_resnet8; do
    for policy in brief sleep long spin; do
        printf '%-36s' "$config, $policy"
        for busy in 0 1 2; do
            ms=$(step $config $busy $policy)
            printf '%12s' "${ms:-over 40 s}"
        done
        printf '\n'
    done
done

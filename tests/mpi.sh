#!/bin/sh
# Training over several processes writes the files that one process writes:
#     sh tests/mpi.sh PROGRAM MPI_PROGRAM
# the program as it is built by default, and by `make MPI=1`.
set -u
one=${1:?mpi.sh: the program of the default build is required}
shared=${2:?mpi.sh: the program of make MPI=1 is required}
command -v mpirun >/dev/null || { echo "mpi.sh: mpirun is missing; sh setup.sh --mpi installs it" >&2; exit 1; }
top=$(cd "$(dirname "$0")/.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
as_root=
[ "$(id -u)" -ne 0 ] || as_root=--allow-run-as-root
passed=0
failed=0

verdict() { # verdict NAME STATUS
    if [ "$2" -eq 0 ]; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        echo "FAIL $1"
        tail -n 3 "$dir/log"
    fi
}

ranks() { # ranks N COMMAND...
    n=$1
    shift
    timeout 120 mpirun --oversubscribe $as_root -n "$n" "$shared" "$@"
}

same() { cmp "$1/last.safetensors" "$2/last.safetensors" && cmp "$1/best.safetensors" "$2/best.safetensors" &&
    cmp "$1/metrics.jsonl" "$2/metrics.jsonl"; }

# equal NAME "N..." VERB SOURCE OPTION...: what N processes write is what one writes
equal() {
    name=$1 numbers=$2 verb=$3 source=$4
    shift 4
    "$one" "$verb" "$source" --quiet --out "$dir/$name" "$@" >"$dir/log" 2>&1
    verdict "$name, one process" $?
    for k in $numbers; do
        { ranks "$k" "$verb" "$source" --quiet --out "$dir/$name-$k" "$@" && same "$dir/$name" "$dir/$name-$k"; } >"$dir/log" 2>&1
        verdict "$name, $k processes" $?
    done
}

lenet=$top/configs/mnist_sample_lenet.json
resnet=$top/configs/cifar10_resnet8.json
few="--set data.train_limit=150 --set data.validation=0.1 --set train.batch=33 --set train.epochs=2 --set qat.epochs=2"
tiny="--set data.dataset=synthetic --set data.synthetic_train=70 --set data.synthetic_test=10 --set train.batch=32
      --set train.epochs=1 --set qat.epochs=1"

# shellcheck disable=SC2086 # lists of options
{
    equal lenet "1 2 4 8 16" train "$lenet" $few
    OMP_NUM_THREADS=2 equal lenet-threads 2 train "$lenet" $few
    equal lenet-lsq "2 8" qat "$dir/lenet" $few --set quant.freeze_bn_at=0.3 --set quant.freeze_observers_at=0.6
    equal lenet-folded "2 4" qat "$dir/lenet" $few --set quant.weights.granularity=per_tensor --set quant.weights.quantizer=lsq \
        --set quant.activations.quantizer=lsq
    equal lenet-taught 4 qat "$dir/lenet" $few --set qat.teacher=float --set quant.weights.quantizer=dorefa
    equal bars 4 train "$top/configs/regression_bars.json" --set data.synthetic_train=100 --set data.synthetic_test=10 \
        --set train.batch=32 --set train.epochs=1
    equal resnet "2 8" train "$resnet" $tiny
    equal resnet-qat "2 4" qat "$dir/resnet" $tiny --set quant.freeze_bn_at=0.4 --set quant.freeze_observers_at=0.4

    # A rank is killed, the run goes on with another number of them.
    long="--set train.epochs=30 --set data.train_limit=400 --set train.checkpoint_every=2 --set train.batch=40"
    "$one" train "$lenet" --quiet --out "$dir/whole" $long >"$dir/log" 2>&1
    ranks 4 train "$lenet" --quiet --out "$dir/killed" $long >"$dir/log" 2>&1 &
    launcher=$!
    while kill -0 $launcher 2>/dev/null && ! grep -q step "$dir/killed/metrics.jsonl" 2>/dev/null; do sleep 0.1; done
    victim=$(pgrep -f -- "$shared train $lenet --quiet --out $dir/killed" | tail -n 1)
    kill -9 "$victim" 2>/dev/null
    ! wait $launcher
    verdict "a killed rank ends the run" $?
    { ranks 2 train "$lenet" --quiet --out "$dir/killed" $long --resume && same "$dir/whole" "$dir/killed"; } >"$dir/log" 2>&1
    verdict "2 processes go on where one of 4 was killed" $?

    # SIGTERM to rank 0, as of Slurm, stops all after a step.
    ranks 2 train "$lenet" --quiet --out "$dir/stopped" $long >"$dir/log" 2>&1 &
    launcher=$!
    while kill -0 $launcher 2>/dev/null && ! grep -q step "$dir/stopped/metrics.jsonl" 2>/dev/null; do sleep 0.1; done
    for process in $(pgrep -f -- "^$shared train $lenet --quiet --out $dir/stopped"); do kill -TERM "$process"; done
    wait $launcher
    grep -q 'stopped after step' "$dir/log"
    verdict "SIGTERM stops after a step" $?
    { "$one" train "$lenet" --quiet --out "$dir/stopped" $long --resume && same "$dir/whole" "$dir/stopped"; } >"$dir/log" 2>&1
    verdict "one process goes on where 2 were stopped" $?
}

refused() { # refused TEXT N COMMAND...: one line with TEXT
    text=$1
    shift
    ! ranks "$@" >"$dir/log" 2>&1 && [ "$(grep -c '^bitfold:.*'"$text" "$dir/log")" -eq 1 ]
    verdict "refused: $text" $?
}
refused "must be started as one" 2 compare "$lenet" --out "$dir/none"
refused "must be 1, 2, 4, 8 or 16" 3 train "$lenet" --out "$dir/none"
refused "cannot open" 2 train "$dir/none.json"

! nm -u "$one" | grep -q MPI_ && ! ldd "$one" | grep -q libmpi
verdict "the default build has no symbol of MPI" $?
echo "tests: $passed passed, $failed failed"
[ "$failed" -eq 0 ]

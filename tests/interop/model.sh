#!/bin/sh
# One model on every target: sh model.sh NAME FOLDER (-: a model made here), called by run.sh.  Rows of the tables go to
# $WORK/models/NAME/compared and costs, everything the tools said to log.
set -u
name=$1 given=$2
dir=$WORK/models/$name
mkdir -p "$dir"
: >"$dir/compared"
: >"$dir/costs"
: >"$dir/operations"
exec 3>&1 >"$dir/log" 2>&1
images=${IMAGES:-1000}
mcu_images=$([ -n "${FULL:-}" ] && echo "$images" || echo 200)
targets=${TARGETS:-c tflite onnx float import mixed}
op_images=$([ -n "${FULL:-}" ] && echo 200 || echo 50)
codes=${CODES:-32}
# Where the CPU can be emulated.
old_cpu_images=$([ "$(uname -m)" = x86_64 ] && { [ -n "${FULL:-}" ] && echo 100 || echo 10; })

say() { echo "$name: $*" >&3; }
# missing EXPORT RUNTIME: a row for what could not even be compared; the log's last line says why.
missing() {
    say "$1, $2: $(tail -n 1 "$dir/log")"
    echo "| $name | $1 | $2 | | | | | | NO |" >>"$dir/compared"
}

# row_of EXPORT RUNTIME COMMAND...: the row that the command prints, whether its need is met or not.
row_of() {
    head="$1" runtime=$2
    shift 2
    row=$("$@" --model "$name" --export "$head" --runtime "$runtime")
    case $row in
    '') missing "$head" "$runtime" && return ;;
    *'| yes |' | *'| - |') ;;
    *) say "$row" ;;
    esac
    echo "$row" >>"$dir/compared"
}

# compared EXPORT RUNTIME NEED DUMP OUTPUT [OPTION...]
compared() {
    what=$1 where=$2 need=$3
    shift 3
    row_of "$what" "$where" node "$HERE/compare.cjs" "$@" --need "$need"
}

# ---- the model ---------------------------------------------------------------------------------------------------

# fit CONFIG [--set ...]: a short training, then its quantization.
fit() {
    config=$1
    shift
    "$BITFOLD" train "configs/$config.json" --quiet --out "$dir/float" "$@" --set data.synthetic_test="$images" &&
        "$BITFOLD" ptq "$dir/float/best.safetensors" --quiet --out "$dir/int8" "$@"
}

make_model() {
    synthetic="--set data.dataset=synthetic --set data.classes=10 --set data.synthetic_train=1024"
    # shellcheck disable=SC2086 # words
    case $name in
    lenet5) fit mnist_sample_lenet --set train.epochs=2 ;;
    lenet5_w4)
        codes=16
        fit mnist_sample_lenet --set train.epochs=2 --set quant.weights.bits=4 --set quant.activations.bits=4
        ;;
    mobilenetv3)
        codes=16 # means of maps that hardly vary
        fit mnist_sample_mobilenetv3 --set train.epochs=2
        ;;
    kws_dscnn) fit kws_dscnn --set train.epochs=4 ;;
    resnet8) fit cifar10_resnet8 $synthetic --set train.epochs=4 ;;
    mobilenetv1_025)
        fit vww_mobilenetv1_025 $synthetic --set data.synthetic_noise=0.3 --set model.layers.logits.units=10 \
            --set train.batch=32 --set train.epochs=5
        ;;
    *) false ;;
    esac
    model=$dir/int8/model.safetensors float=$dir/float/best.safetensors
}

use_model() {
    for model in "$1/model.safetensors" "$1/best.safetensors"; do [ -e "$model" ] && break; done
    float=$model
}

dialects=${DIALECTS:-xnnpack tflite-single tflite-double onnxruntime}
dump_model() {
    for dialect in $dialects; do
        "$BITFOLD" eval "$model" --set quant.dialect="$dialect" --images "$images" --dump "$dir/$dialect" &&
            node "$HERE/check_model.cjs" "$dir/$dialect" --codes "$codes" || return 1
    done
    "$BITFOLD" eval "$float" --engine float --images "$images" --dump "$dir/floats"
}

# ---- what cannot fail proves nothing -----------------------------------------------------------------------------

# control WHAT OUTPUT [DIALECT [OPTION...]]: the comparison must refuse OUTPUT.
control() {
    verdict=yes what=$1 output=$2 dialect=${3:-tflite-single}
    shift $(($# > 3 ? 3 : $#))
    if node "$HERE/compare.cjs" "$dir/$dialect" "$output" --need identical "$@"; then verdict=NO; fi
    echo "| $name | control | $what | | | | | | $verdict |" >>"$dir/compared"
    [ $verdict = yes ] || say "control: $what: was not noticed"
}

controls() {
    logits=$dir/tflite-single/logits.i8 bad=$dir/bad.i8
    node "$HERE/flip.cjs" "$logits" "$bad"
    control "one bit of one value flipped" "$bad"
    head -c 15 "$logits" >"$bad"
    control "half an image" "$bad"
    control "the answers of dialect tflite-double" "$dir/tflite-double/logits.i8"
}

# ---- bare C ------------------------------------------------------------------------------------------------------

# shellcheck source=tests/interop/build_c.sh
. "$HERE/build_c.sh"
cortex_m4="-mcpu=cortex-m4 -mfloat-abi=hard -mfpu=fpv4-sp-d16"

export_c() {
    "$BITFOLD" export "$model" --set quant.dialect="$1" --to c -o "$dir/c-$1/model.c"
}

# on_host EXPORT FOLDER DUMP
on_host() {
    label=$1 source=$2 dump=$3
    for compiler in gcc clang; do
        program=$source/$compiler
        if build_c $compiler "$source" "$program" host_stdio -DMODEL_SELF_TEST &&
            "$program" "$dump/input.i8" "$program.out" "$images"; then
            compared "$label" "$compiler, this machine" identical "$dump" "$program.out"
        else
            missing "$label" "$compiler, this machine"
        fi
    done
}

# on_core DIALECT CORE BOARD FLAGS: the answers, then what an image costs, instructions counted.
on_core() {
    program=$dir/c-$1/$2 input=$dir/$1/input.i8
    if build_mcu "$dir/c-$1" "$program" "$4" &&
        cost=$(mcu "$program" "$3" 1 "$input" -icount shift=0 2>&1) && echo "$cost" &&
        mcu "$program" "$3" "$mcu_images" "$input"; then
        compared "C, $1" "$2, qemu $3" identical "$dir/$1" "$program.out"
        cost_row "$1" "$2" "$cost"
    else
        missing "C, $1" "$2, qemu $3"
    fi
}

# A ResNet-8 must fit 90 KB of flash and 50 KB of RAM.
cost_row() {
    # text, data and bss of the model's own object file
    size=$(arm-none-eabi-size "$program.model.o" | awk 'NR == 2 { print $1 + $2, $2 + $3 }')
    flash=${size% *} ram=${size#* } verdict=yes
    if [ "$name" = resnet8 ] && { [ "$flash" -gt 90000 ] || [ "$ram" -gt 50000 ]; }; then verdict=NO; fi
    # images N instructions N stack N
    echo "$3" | awk -v head="| $name | $1 | $2 | $flash | $ram" -v met=$verdict \
        '{ print head " | " $6 " | " $4 " | " met " |" }' >>"$dir/costs"
}

target_c() {
    for dialect in tflite-single tflite-double; do
        mkdir -p "$dir/c-$dialect"
        if ! export_c $dialect; then
            missing "C, $dialect" "export"
            continue
        fi
        on_host "C, $dialect" "$dir/c-$dialect" "$dir/$dialect"
        on_core $dialect Cortex-M3 mps2-an385 "-mcpu=cortex-m3"
        on_core $dialect Cortex-M4 mps2-an386 "$cortex_m4"
        on_core $dialect Cortex-M7 mps2-an500 "-mcpu=cortex-m7 -mfloat-abi=hard -mfpu=fpv5-sp-d16"
    done
}

# ---- TFLite ------------------------------------------------------------------------------------------------------

# on_litert LABEL INPUT [EXPORT OPTION...] -- [COMPARE OPTION...]
on_litert() {
    label=$1 input=$2 options=
    shift 2
    while [ "$1" != -- ]; do options="$options $1" && shift; done
    shift
    # shellcheck disable=SC2086 # words
    if "$BITFOLD" export "$model" --set quant.dialect=xnnpack --to tflite $options -o "$dir/model.tflite" &&
        node "$HERE/run_tflite.cjs" "$dir/model.tflite" "$input" "$dir/tflite.out"; then
        compared "TFLite, $label" "LiteRT" identical "$dir/xnnpack" "$dir/tflite.out" "$@"
    else
        missing "TFLite, $label" "LiteRT"
    fi
}

target_tflite() {
    on_litert "int8" "$dir/xnnpack/input.i8" --
    on_litert "float in and out" "$dir/floats/input.f32" --option io=float -- --floats yes
}

# ---- ONNX --------------------------------------------------------------------------------------------------------

# on_onnxruntime LABEL INPUT LAYOUT NEED EXPORT_OPTION...: at both ends of what the runtime optimises, and with the
# session option that its documentation advises for some CPUs.
on_onnxruntime() {
    label=$1 input=$2 layout=$3 need_all=$4
    shift 4
    options=
    for option in "$@"; do options="$options --option $option"; done
    for level in all all,precise disabled; do
        session=default
        [ "${level#*,}" = precise ] && session=precise
        # shellcheck disable=SC2086 # words
        if "$BITFOLD" export "$model" --set quant.dialect=onnxruntime --to onnx $options --option layout="$layout" \
            -o "$dir/model.onnx" &&
            node "$HERE/run_onnx.cjs" "$dir/model.onnx" "$input" "$dir/onnx.out" --opt "${level%,*}" \
                --session $session --layout "$layout"; then
            need=$([ $level = disabled ] && echo nothing || echo "$need_all")
            compared "ONNX, $label" "ONNX Runtime, $level" "$need" "$dir/onnxruntime" "$dir/onnx.out" --floats yes
        else
            missing "ONNX, $label" "ONNX Runtime, $level"
        fi
    done
}

# The export for every CPU, and the one for CPUs with VNNI, on an emulated CPU that has AVX2 and nothing later.  Where the
# second is said to need the session option it must need it, or the CPU is not the one to try.
on_old_cpu() {
    name_of="ONNX Runtime, all, AVX2 only" said=$dir/said-of-int8
    if "$BITFOLD" export "$model" --set quant.dialect=onnxruntime --option input=codes -o "$dir/auto.onnx" &&
        "$BITFOLD" export "$model" --set quant.dialect=onnxruntime --option input=codes --option weights=int8 \
            -o "$dir/int8.onnx" >"$said" &&
        qemu-x86_64 -cpu max "$(command -v node)" "$HERE/old_cpu.cjs" "$dir/onnxruntime/input.i8" "$old_cpu_images" \
            "$dir/auto.onnx" default "$dir/auto.out" "$dir/int8.onnx" precise "$dir/precise.out" \
            "$dir/int8.onnx" default "$dir/int8.out"; then
        compared "ONNX, uint8" "$name_of" identical "$dir/onnxruntime" "$dir/auto.out" --floats yes
        compared "ONNX, uint8, int8 weights" "$name_of, precise" identical "$dir/onnxruntime" "$dir/precise.out" \
            --floats yes
        compared "ONNX, uint8, int8 weights" "$name_of" nothing "$dir/onnxruntime" "$dir/int8.out" --floats yes
        if grep -q x64quantprecision "$said"; then
            control "int8 weights on an old CPU" "$dir/int8.out" onnxruntime --floats yes
        fi
    else
        missing "ONNX, uint8" "$name_of"
    fi
}

# Each operation alone, on the engine's own codes: no answer off by more than 1.
ops_on_onnxruntime() {
    if "$BITFOLD" export "$model" --set quant.dialect=onnxruntime --to onnx --option input=codes \
        --option activations="$1" -o "$dir/ops-$1.onnx" &&
        /usr/bin/python3 "$HERE/cut_onnx.py" "$dir/ops-$1.onnx" "$dir/ops" "$dir/ops-$1" &&
        node "$HERE/ops_onnx.cjs" "$dir/ops-$1" "$dir/ops" --activations "$1" >"$dir/ops-$1.tsv"; then
        cat "$dir/ops-$1.tsv" >>"$dir/operations"
    else
        missing "ONNX, $1, single operations" "ONNX Runtime"
    fi
}

target_onnx() {
    on_onnxruntime "int8" "$dir/onnxruntime/input.i8" nchw argmax input=codes activations=int8
    on_onnxruntime "uint8" "$dir/onnxruntime/input.i8" nchw identical input=codes
    on_onnxruntime "float input, NHWC" "$dir/floats/input.f32" nhwc identical input=values
    [ -z "$old_cpu_images" ] || on_old_cpu
    "$BITFOLD" eval "$model" --set quant.dialect=onnxruntime --images "$op_images" --dump "$dir/ops" --layers
    for type in int8 uint8; do ops_on_onnxruntime $type; done
}

# ---- the float network -------------------------------------------------------------------------------------------

target_float() {
    for batch_norm in fold keep; do
        for level in all disabled; do
            if "$BITFOLD" export "$float" --to onnx --float --option batch_norm=$batch_norm -o "$dir/float.onnx" &&
                node "$HERE/run_onnx.cjs" "$dir/float.onnx" "$dir/floats/input.f32" "$dir/float.out" --opt $level; then
                compared "ONNX, float, batch norm: $batch_norm" "ONNX Runtime, $level" within=1e-4 "$dir/floats" \
                    "$dir/float.out"
            else
                missing "ONNX, float, batch norm: $batch_norm" "ONNX Runtime, $level"
            fi
        done
    done
}

# ---- and back in -------------------------------------------------------------------------------------------------

# import_float BATCH_NORM: what our own float ONNX comes back as, on the data of the original.
import_float() {
    data=$(node -p 'const path = require("path"), file = process.argv[1], data = require(file).data;
        data.dir = path.resolve(path.dirname(file), data.dir); JSON.stringify(data)' "$(dirname "$float")/config.json")
    "$BITFOLD" export "$float" --to onnx --float --option batch_norm="$1" -o "$dir/float.onnx" &&
        "$BITFOLD" import "$dir/float.onnx" --set "data=$data" -o "$dir/float-$1" &&
        "$BITFOLD" eval "$dir/float-$1/last.safetensors" --images "$images" --dump "$dir/floats-$1"
}

# The integers: ours, and those of our QDQ ONNX read back, exported again, read back again.
import_integers() {
    set_dialect="quant.dialect=onnxruntime"
    "$BITFOLD" export "$model" --set $set_dialect -o "$dir/integers.safetensors" &&
        "$BITFOLD" export "$model" --set $set_dialect --to onnx -o "$dir/qdq.onnx" &&
        "$BITFOLD" import "$dir/qdq.onnx" -o "$dir/once" &&
        "$BITFOLD" export "$dir/once/model.safetensors" --to onnx -o "$dir/qdq-again.onnx" &&
        "$BITFOLD" import "$dir/qdq-again.onnx" -o "$dir/twice"
}

target_import() {
    # Folded weights are other floats, whose error grows with every layer.
    for need in keep:1e-5 fold:1e-4; do
        kind=${need%:*}
        if import_float "$kind"; then
            compared "ONNX, float, batch norm: $kind, imported" "bitfold" within="${need#*:}" "$dir/floats" \
                "$dir/floats-$kind/logits.f32"
        else
            missing "ONNX, float, batch norm: $kind, imported" "bitfold"
        fi
    done
    if ! import_integers; then
        missing "ONNX, int8, imported" "bitfold"
        return
    fi
    for time in once twice; do
        row_of "ONNX, int8, imported $time" "bitfold" node "$HERE/same_integers.cjs" "$dir/integers.safetensors" \
            "$dir/$time/model.safetensors"
    done
}

# shellcheck source=tests/interop/mixed.sh
. "$HERE/mixed.sh"

if ! { case $given in /*) use_model "$given" ;; *) make_model ;; esac && dump_model; }; then
    say "no model: $(tail -n 1 "$dir/log")"
    exit 0
fi
controls
for target in $targets; do "target_$target"; done
touch "$dir/done"
say "done"

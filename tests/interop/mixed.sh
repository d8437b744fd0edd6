# shellcheck shell=sh
# Layers in floats, on every target: part of model.sh, whose variables and functions these are.
# shellcheck disable=SC2154

# dump_mixed DIALECT: of model $mixed, to $mixed-DIALECT.
dump_mixed() {
    "$BITFOLD" eval "$mixed/model.safetensors" --set quant.dialect="$1" --images "$images" --dump "$mixed-$1"
}

export_mixed() {
    dialect=$1
    shift
    "$BITFOLD" export "$mixed/model.safetensors" --set quant.dialect="$dialect" "$@"
}

# The portable kernels' floats are those of the C, bit for bit.
mixed_in_c() {
    folder=$mixed-tflite-single
    if ! { BITFOLD_ISA=ref dump_mixed tflite-single &&
        export_mixed tflite-single --to c --option floats=yes -o "$folder/model.c"; }; then
        missing "C, $1" "export"
        return
    fi
    on_host "C, $1" "$folder" "$folder"
    program=$folder/Cortex-M4
    if build_mcu "$folder" "$program" "$cortex_m4" && mcu "$program" mps2-an386 10 "$folder/input.i8"; then
        compared "C, $1" "Cortex-M4, qemu mps2-an386" identical "$folder" "$program.out"
    else
        missing "C, $1" "Cortex-M4, qemu mps2-an386"
    fi
}

# mixed_in_tflite LABEL NEED
mixed_in_tflite() {
    if dump_mixed xnnpack && export_mixed xnnpack -o "$mixed.tflite" &&
        node "$HERE/run_tflite.cjs" "$mixed.tflite" "$mixed-xnnpack/input.i8" "$mixed.out"; then
        compared "TFLite, $1" "LiteRT" "$2" "$mixed-xnnpack" "$mixed.out"
    else
        missing "TFLite, $1" "LiteRT"
    fi
}

# mixed_in_onnx LABEL NEED COMPARE_OPTION...
mixed_in_onnx() {
    mixed_what=$1 mixed_bound=$2
    shift 2
    if dump_mixed onnxruntime && export_mixed onnxruntime --option input=codes -o "$mixed.onnx" &&
        node "$HERE/run_onnx.cjs" "$mixed.onnx" "$mixed-onnxruntime/input.i8" "$mixed.out" --opt all; then
        compared "ONNX, $mixed_what" "ONNX Runtime, all" "$mixed_bound" "$mixed-onnxruntime" "$mixed.out" "$@"
    else
        missing "ONNX, $mixed_what" "ONNX Runtime, all"
    fi
}

# in_floats FOLDER LABEL NEED [--set ...]: quantized so, on every target.  Codes that come of floats may be another by one
# where a float lies next to the middle between two: need within=1.
in_floats() {
    mixed=$dir/$1 mixed_label=$2 mixed_need=$3
    shift 3
    if ! "$BITFOLD" ptq "$float" --quiet --out "$mixed" "$@"; then
        missing "$mixed_label" "ptq"
        return
    fi
    reals=$([ "$mixed_need" = within=1 ] && echo yes || echo no) # of what ONNX Runtime gives: codes as reals
    mixed_in_c "$mixed_label"
    mixed_in_tflite "$mixed_label" "$mixed_need"
    mixed_in_onnx "$mixed_label" "$mixed_need" --floats "$reals"
}

# in_dynamic ONNX_NEED: grids of inputs found at run time.  ONNX Runtime's products are exact, and its floats the engine's but for
# the order of sums, as of averages; LiteRT rounds codes otherwise.  C refuses.
in_dynamic() {
    mixed=$dir/dynamic mixed_label="grids at run time"
    if ! "$BITFOLD" ptq "$float" --quiet --out "$mixed" --set quant.activations.scheme=dynamic; then
        missing "$mixed_label" "ptq"
        return
    fi
    mixed_in_tflite "$mixed_label" relative=2e-2
    mixed_in_onnx "$mixed_label" "$1"
    if export_mixed tflite-single --to c --option floats=yes -o "$mixed.c" 2>/dev/null; then
        missing "C, $mixed_label" "refusal"
    fi
}

target_mixed() {
    case $name in
    lenet5) first=conv1 ;;
    resnet8 | mobilenetv3) first=stem ;;
    *) return ;;
    esac
    in_floats first "$first in float32" within=1 --set "quant.overrides=[{\"layers\":\"$first\",\"format\":\"float32\"}]"
    case $name in
    lenet5) in_dynamic identical ;;
    resnet8) in_dynamic relative=5e-3 ;;
    esac
    in_floats weights8 "weights of 8 bits" relative=1e-5 --set quant.activations.format=float32
    [ "$name" != resnet8 ] || return 0
    in_floats weights4 "weights of 4 bits" relative=1e-5 --set quant.activations.format=float32 \
        --set quant.weights.bits=4 --set quant.first_last_bits=0
    in_floats half "float16" relative=1e-3 --set quant.activations.format=float16 --set quant.weights.format=float16
}

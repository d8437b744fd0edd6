# Completion of bitfold for bash: verbs, then the verb's options and files.
_bitfold() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} verb=${COMP_WORDS[1]}
    local verbs="train ptq qat compare lrfind sensitivity partial search prune workflow eval export import verify predict generate inspect describe report landscape tensor numbers fetch bench"
    local options="--set --out --overwrite --seed --threads --resume --allow-changed --json --quiet --help"
    COMPREPLY=()

    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "$verbs --help --version" -- "$word")
        return
    fi
    case $before in
    --engine) mapfile -t COMPREPLY < <(compgen -W "float sim int8" -- "$word") && return ;;
    --target) mapfile -t COMPREPLY < <(compgen -W "c" -- "$word") && return ;;
    --split) mapfile -t COMPREPLY < <(compgen -W "train validation test" -- "$word") && return ;;
    --mode) mapfile -t COMPREPLY < <(compgen -W "float qat" -- "$word") && return ;;
    --out | --dir | --dump | --data) mapfile -t COMPREPLY < <(compgen -d -- "$word") && return ;;
    --to) mapfile -t COMPREPLY < <(compgen -W "safetensors onnx tflite c" -- "$word") && return ;;
    --score) mapfile -t COMPREPLY < <(compgen -W "taylor l1 gamma" -- "$word") && return ;;
    --scheme) mapfile -t COMPREPLY < <(compgen -W "symmetric affine absmax zeropoint" -- "$word") && return ;;
    --seed | --threads | --prompt | --bytes | --temperature | --bits | --axis | --points | --batch | --steps | --images | --formats | --parts | --tolerance | --format | --keep | --order | --macs | --epochs | --set | --option) return ;;
    esac

    local files=
    case $verb in
    bench | workflow) files=json ;;
    generate | ptq | eval | verify | export | sensitivity | partial | search | prune) files=safetensors ;;
    import) files=onnx ;;
    landscape) files=safetensors ;;
    tensor) files='@(npy|safetensors|onnx)' ;;
    train | qat | compare | lrfind | inspect) files='@(json|safetensors)' ;;
    predict) files='@(safetensors|png|jpg|jpeg)' ;;
    esac
    case $verb in
    eval) options="$options --data --against --engine --split --images --dump --layers" ;;
    partial) options="$options --tolerance --format --keep --order --images" ;;
    search)
        options="$options --tolerance --flash --ram --cycles --bops --latency --minimize --method --formats --order --images --qat"
        ;;
    prune) options="$options --macs --flash --ram --cycles --score --steps --epochs --images" ;;
    workflow) options="$options --tolerance --flash --ram --cycles --bops --target --images" ;;
    lrfind) options="$options --steps" ;;
    landscape) options="$options --images --points" ;;
    tensor) options="$options --scheme --bits --axis -o" ;;
    sensitivity) options="$options --formats --parts --images" ;;
    inspect) options="$options --target" ;;
    export) options="$options --to --option --float -o" ;;
    import) options="$options -o" ;;
    predict) options="$options --dump" ;;
    generate) options="$options --prompt --bytes --temperature" ;;
    fetch) options="mnist fashion-mnist cifar10 $options --dir" ;;
    bench) options="$options --mode --batch --steps --frozen --interleave" ;;
    esac

    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
    if [ -n "$files" ] && [[ $word != -* ]]; then
        local extglob_was_off=0
        shopt -q extglob || extglob_was_off=1
        shopt -s extglob
        mapfile -t COMPREPLY < <(compgen -d -- "$word"; compgen -f -X "!*.$files" -- "$word")
        if [ "$extglob_was_off" -eq 1 ]; then shopt -u extglob; fi
        compopt -o filenames 2>/dev/null
    fi
}
complete -F _bitfold bitfold ./bitfold

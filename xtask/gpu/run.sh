#!/bin/sh
# Tests and measures Wengert on a machine with a GPU, without Rust and without the sources. Writes one folder of results; a step
# that fails is noted, and the next one runs.
#
#   sh run.sh [--quick] [--out DIR] [--limit SECONDS] [STEP..]
#
#   --quick    no sanitizer, no peers, one benchmark, tiny trainings, tests without convolutions and products
#   --out      the folder for results [default: results-DATE-TIME beside this file]
#   --limit    seconds that a step may take [default: 900]
#   STEP       runs only steps whose names begin so: facts, tests, sanitizer, conformance, example, bench, peer
set -u

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) || exit 1
quick=false out='' limit=900 only=''
while [ $# -gt 0 ]; do
    case $1 in
    --quick) quick=true ;;
    --out | --limit)
        [ $# -ge 2 ] || { echo "$1 needs a value" >&2; exit 2; }
        if [ "$1" = --out ]; then out=$2; else limit=$2; fi
        shift
        ;;
    -*) sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    *) only="$only $1" ;;
    esac
    shift
done
[ -n "$out" ] || out=$here/results-$(date +%Y%m%d-%H%M%S)
mkdir -p "$out" || exit 1
out=$(cd -- "$out" && pwd) || exit 1
bin=$here/bin
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
cd "$work" || exit 1

# Compiled kernels stay beside the programs: a second run finds them.
WENGERT_CACHE=${WENGERT_CACHE:-$here/cache}
CRITERION_HOME=$work/criterion
# Tests then fail where they would skip what a machine lacks.
CI=true
export WENGERT_CACHE CRITERION_HOME CI

summary=$out/summary.txt
: >"$summary"
failed=0

wanted() {
    [ -n "$only" ] || return 0
    for begin in $only; do
        case $1 in "$begin"*) return 0 ;; esac
    done
    return 1
}

say() {
    printf '%-32s %-10s %6s  %s\n' "$@" | sed 's/ *$//' | tee -a "$summary"
}

# step NAME COMMAND..: runs a command, whose output goes to NAME.log.
step() {
    name=$1 log=$out/$1.log
    shift
    wanted "$name" || return 0
    begin=$(date +%s)
    if command -v timeout >/dev/null; then
        timeout -k 10 "$limit" "$@" >"$log" 2>&1 </dev/null
    else
        "$@" >"$log" 2>&1 </dev/null
    fi
    code=$?
    case $code in
    0) result=ok ;;
    124 | 137) result="late $code" ;;
    *) result="FAILED $code" ;;
    esac
    [ $code -eq 0 ] || failed=$((failed + 1))
    note=$(grep -E '^(test result|error|test loss)|thread .* panicked|ERROR SUMMARY|final loss|epoch .* accuracy' "$log" | tail -n 1 | cut -c 1-110)
    say "$name" "$result" "$(($(date +%s) - begin)) s" "$note"
}

# absent NAME WHY: notes a step that this machine cannot take.
absent() {
    wanted "$1" || return 0
    say "$1" "absent" "-" "$2"
}

say step result time note

# ---- the machine
step facts sh -c '
    for command in "uname -a" "ldd --version" "nproc" "lscpu" "nvidia-smi" "nvidia-smi -q -d CLOCK,POWER,ECC" \
        "ldconfig -p" "python3 --version" "python3 -m pip list"; do
        echo "== $command"
        case $command in
        ldconfig*) $command 2>&1 | grep -E "libcuda|libnvrtc" ;;
        *list) $command 2>/dev/null | grep -iE "^(torch|jax|triton|numpy|nvidia)" ;;
        *) $command 2>&1 ;;
        esac
    done
    echo "== NVRTC"
    ls -l /usr/local/cuda*/lib64/libnvrtc* /usr/local/nvidia/lib*/libnvrtc* 2>/dev/null
    true'
step doctor "$bin/wengert" doctor

# ---- tests
if $quick; then
    step tests-kernels "$bin/test-kernels" softmax gather random failures
else
    step tests-kernels "$bin/test-kernels"
    step tests-training "$bin/test-wengert"
fi
# Programs of one instruction each, by which cuda-emulator is held against hardware.
step conformance "$bin/example-conformance"

sanitizer=''
for place in "$(command -v compute-sanitizer)" /usr/local/cuda/bin/compute-sanitizer \
    /usr/local/cuda/compute-sanitizer/compute-sanitizer; do
    if [ -z "$sanitizer" ] && [ -x "$place" ]; then sanitizer=$place; fi
done
if ! $quick; then
    for tool in memcheck racecheck; do
        for family in softmax reduce gather pool gemm conv; do
            if [ -n "$sanitizer" ]; then
                step "sanitizer-$tool-$family" "$sanitizer" --tool "$tool" --error-exitcode 9 \
                    "$bin/test-kernels" --exact "cuda::$family" --test-threads 1
            fi
        done
    done
    [ -n "$sanitizer" ] || absent sanitizer "there is no compute-sanitizer"
fi

# ---- examples, on the small digits and what else needs no download
mnist() {
    step "example-mnist-$1-$2" "$bin/example-mnist" --offline --model "$1" --epochs "$3" --device "$2" --out "$work/mnist"
}
for device in cpu cuda; do
    if $quick; then
        mnist linear $device 1
        step "example-custom_op-$device" "$bin/example-custom_op" --steps 20 --device $device
        continue
    fi
    mnist mlp $device 20
    mnist cnn $device 20
    step "example-custom_op-$device" "$bin/example-custom_op" --device $device
    step "example-custom_model-$device" "$bin/example-custom_model" --device $device
    step "example-cifar10-$device" "$bin/example-cifar10" --offline --epochs 2 --device $device --out "$work/cifar10"
done

# ---- benchmarks: each measures the CPU and CUDA
if $quick; then
    step bench-softmax "$bin/bench-softmax" --bench --quick 128x10
else
    for bench in "$bin"/bench-*; do
        step "$(basename "$bench")" "$bench" --bench
    done
fi

# ---- the same work by others
has() { python3 -c "import $1" >/dev/null 2>&1; }
if $quick; then
    :
elif has torch || has jax; then
    step peer-kernels python3 "$here/peers/gpu_kernels.py"
    for device in cuda cpu; do
        step "peer-train_step-$device" python3 "$here/peers/train_step.py" --device $device
    done
else
    absent peer "python3 has neither torch nor jax"
fi

# ---- one report of throughputs
cd "$out" || exit 1
awk '
    function scaled(number, unit) {
        if (unit ~ /^T/) number *= 1e12
        if (unit ~ /^G/) number *= 1e9
        if (unit ~ /^M/) number *= 1e6
        if (unit ~ /^K/) number *= 1e3
        return number
    }
    /^[^ ].*\/(cpu, |cuda:)/ && !/^Benchmarking/ {
        name = $0
        sub(/ *time:.*/, "", name)
        device = name
        sub(/.*\//, "", device)
        name = substr(name, 1, length(name) - length(device) - 1)
    }
    /thrpt:/ && name != "" {
        gsub(/[][]/, "")
        if (!(name in seen)) { seen[name] = 1; order[++count] = name }
        text[name, device] = sprintf("%.4g %s", $4, $5)
        value[name, device] = scaled($4, $5)
        name = ""
    }
    END {
        print "| what | cpu, 1 thread | cpu, all threads | cuda:0 | cuda:0 / cpu, all threads |"
        print "|---|---|---|---|---|"
        for (i = 1; i <= count; i++) {
            name = order[i]; cpu = value[name, "cpu, all threads"]
            if (!cpu) cpu = value[name, "cpu, 1 thread"]
            ratio = cpu && value[name, "cuda:0"] ? sprintf("%.2f", value[name, "cuda:0"] / cpu) : ""
            printf "| %s | %s | %s | %s | %s |\n", name, text[name, "cpu, 1 thread"], text[name, "cpu, all threads"], \
                text[name, "cuda:0"], ratio
        }
    }' $(ls bench-*.log 2>/dev/null) /dev/null >throughput.md
{
    echo
    echo "| what | peer | rate |"
    echo "|---|---|---|"
    cat peer-*.log 2>/dev/null | grep ' | ' | sed 's/^/| /; s/$/ |/'
} >>throughput.md

say total "$failed failed" - "$out"
[ $failed -eq 0 ]

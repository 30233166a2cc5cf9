#!/usr/bin/env bash
# Everything that needs an NVIDIA GPU, in one command on any machine that has one; ends within nine minutes.
#   gpu_check.sh             builds, runs the tests (the GPU among the backends), selftest, and the benchmarks
#   gpu_check.sh --sanitize  builds, runs the op cases under compute-sanitizer's memcheck and racecheck instead
#   gpu_check.sh --train CONFIG --minutes N  builds, trains (goes on with) OUT/run for so long instead
# Further: --out DIR (results; default gpu_check.out), --prefix DIR (unpacked packages, where nothing can be installed),
# --peer 'python3 vnet_step.py' (PyTorch's side of the benchmarks), --build DIR, --set KEY=VALUE (of train). Relative
# folders are of the repository.
# Writes OUT/result.json and OUT/table.txt; no file is over 16 MiB. Exit code 1 where a step failed, 6 without a GPU.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
mode=check config='' minutes=5 out=gpu_check.out prefix='' peer='' build=build-gpu sets=()
usage() { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
while [ $# -gt 0 ]; do
  [ "$1" = --sanitize ] || [ $# -gt 1 ] || usage  # all others have a value
  case "$1" in
    --sanitize) mode=sanitize ;;
    --train) mode=train config=$2; shift ;;
    --minutes) minutes=$2; shift ;;
    --out) out=$2; shift ;;
    --prefix) prefix=$2; shift ;;
    --peer) peer=$2; shift ;;
    --build) build=$2; shift ;;
    --set) sets+=(--set "$2"); shift ;;
    *) usage ;;
  esac
  shift
done
[[ "$minutes" =~ ^[0-9]+$ ]] || usage
nvidia-smi -L >/dev/null 2>&1 || { echo 'gpu_check: no NVIDIA GPU answers (nvidia-smi -L)' >&2; exit 6; }
mkdir -p "$out"
deadline=$((SECONDS + 530)) failed=0 steps=()
printf '%-44s %8s %5s  %s\n' step seconds code result >"$out/table.txt"

# step NAME COMMAND...: runs it within the time left; its last line of JSON, or of text, is its result.
step() {
  local name=$1 start=$SECONDS code=0 left=$((deadline - SECONDS)) last
  shift
  if [ "$left" -lt 5 ]; then code=124; else
    timeout "$left" "$@" >"$out/$name.log" 2>&1 || code=$?
  fi
  last=$(tail -n 1 "$out/$name.log" 2>/dev/null)
  tail -c 4000000 "$out/$name.log" >"$out/$name.cut" 2>/dev/null && mv "$out/$name.cut" "$out/$name.log"
  [ "$code" -eq 0 ] || failed=1
  case "$last" in '{'*'}') ;; *) last=\"$(printf '%s' "$last" | tr -d '"\\[:cntrl:]')\" ;; esac
  steps+=("{\"step\": \"$name\", \"seconds\": $((SECONDS - start)), \"code\": $code, \"result\": $last}")
  printf '%-44s %8d %5d  %.120s\n' "$name" $((SECONDS - start)) "$code" "$last" | tee -a "$out/table.txt"
  return "$code"
}

# ratios OURS PEER: the peer's faster layout over ours, and our memory over that layout's.
ratios() {
  step "ratio_$2" awk -v ours="$out/$1.log" '
    function number(key) { return match($0, "\"" key "\": *[0-9.]+") ? substr($0, RSTART + length(key) + 3) + 0 : 0 }
    /median_s/ {
      if (FILENAME == ours) { own = number("median_s"); memory = number("peak_mib") }
      else if (!best || number("median_s") < best) { best = number("median_s"); peak = number("peak_mib") }
    }
    END { if (!own || !best) exit 1
          printf "{\"times\": %.2f, \"memory\": %.2f}\n", best / own, memory / peak }' \
    "$out/$1.log" "$out/$2.log" "$out/$2--channels-last.log"
}

finish() {
  local joined
  joined=$(IFS=,; echo "${steps[*]}")
  printf '{"mode": "%s", "device": "%s", "date": "%s", "commit": "%s", "failed": %d, "steps": [%s]}\n' "$mode" \
    "$(nvidia-smi --query-gpu=name --format=csv,noheader | head -n 1)" "$(date -u +%FT%TZ)" \
    "$(git rev-parse --short HEAD 2>/dev/null || echo none)" "$failed" "$joined" >"$out/result.json"
  echo "results: $out/result.json, $out/table.txt"
  exit "$failed"
}

export CUDAARCHS=${CUDAARCHS:-$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1 | tr -d .)-real}
find=(-DCMAKE_PREFIX_PATH="$prefix;$prefix/usr" -DCUDNN_ROOT="$prefix/usr")
if [ -n "$prefix" ]; then  # its libraries need one another
  export LD_LIBRARY_PATH=$prefix/usr/lib/x86_64-linux-gnu:$prefix/lib/x86_64-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
else
  find=()
fi
if command -v ninja >/dev/null; then find+=(-G Ninja); fi
step configure cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DDUET_CUDA=ON -DDUET_TESTS=ON -DDUET_WERROR=OFF \
  "${find[@]}" || finish
step build cmake --build "$build" --parallel "$(nproc)" || finish
duet=$build/bin/duet

case $mode in
  sanitize)
    # Small cases: the checker makes kernels many times slower.
    for tool in memcheck racecheck; do
      step "$tool" compute-sanitizer --tool "$tool" --error-exitcode 1 "$build/bin/test_engine_ops" \
        -tc='forward and gradients of the other backends*'
      step "${tool}_bf16" compute-sanitizer --tool "$tool" --error-exitcode 1 "$build/bin/test_engine_ops_bf16" \
        -tc='bf16: forward and gradients*'
    done ;;
  train)
    resume=()
    [ -d "$out/run/checkpoints" ] && resume=(--resume)
    deadline=$((SECONDS + (minutes * 60 < 530 ? minutes * 60 : 530)))
    # Interrupted, it saves and ends with 130.
    step train bash -c 'timeout -s INT "$0" "$@"; code=$?; [ $code -eq 124 ] || [ $code -eq 130 ] || exit $code' \
      $((deadline - SECONDS - 20)) "$duet" train --device cuda --config "$config" --out "$out/run" \
      --set training.shard_mib=12 --plan-cache "$out/plans.txt" "${sets[@]}" "${resume[@]}" ;;
  check)
    # Programs beside each other: threads of each that spin would slow all of them down tenfold.
    step tests env OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive bash -c "cd '$build' && ctest --output-on-failure --timeout 300 -j $(($(nproc) / 2 + 1))"
    rm -rf "$out/phantoms" "$out/first" "$out/second" "$out/no_graphs"
    step phantoms "$duet" phantom --out "$out/phantoms" --cases 8 --unlabelled 2 --test 0
    for run in first second no_graphs; do
      flag=() && [ "$run" = no_graphs ] && flag=(--no-cuda-graphs)
      step "deterministic_$run" "$duet" train --device cuda --deterministic "${flag[@]}" --config configs/demo.json \
        --set data.dataset="$out/phantoms/dataset.json" --set data.validation=2 --set training.iterations=20 \
        --set training.validate_every=20 --set training.checkpoint_every=20 --out "$out/$run"
    done
    step deterministic_same_bytes bash -c 'for each in "$0"/first/checkpoints/last/*; do for run in second no_graphs; do
        cmp "$each" "$0/$run/checkpoints/last/${each##*/}" || exit 1; done; done; echo "same bytes"' "$out"
    # Plans of one run are read, and found right, by the next one.
    step plan_file bash -c '
      run() {
        local start=$(date +%s%N)
        "$0" bench --mode train --size 64 64 64 --batch 2 --precision bf16 --steps 2 --device cuda --json \
          --plan-cache "$1" || exit 1
        took=$((($(date +%s%N) - start) / 1000000))
      }
      rm -f "$1" && run "$@" 2>&1 && first=$took && cp "$1" "$1.first" && run "$@" 2>"$1.said" || exit 1
      cat "$1.said" && ! grep -q "plan cache" "$1.said" && cmp "$1.first" "$1" && [ "$took" -lt "$first" ] || exit 1
      echo "$(($(wc -l <"$1") - 1)) plans: $first ms, then $took ms"' "$duet" "$out/bench_plans.txt"
    for precision in f32 bf16; do
      step "selftest_$precision" "$duet" selftest --device cuda --precision "$precision"
      # Small patches, where launching takes its share: with and without graphs, in turn.
      small=(--mode cotrain --size 32 48 32 --batch 4 --width 8 --classes 3 --samples 4 --fold 4 --steps 20
             --precision "$precision" --device cuda --json)
      for turn in 1 2; do
        step "small_${precision}_$turn" "$duet" bench "${small[@]}"
        step "small_${precision}_no_graphs_$turn" "$duet" bench "${small[@]}" --no-cuda-graphs
      done
      step "table_$precision" "$duet" bench --mode train --size 112 112 80 --batch 4 --precision "$precision" \
        --steps 3 --device cuda --table --ops
      # Its last line says which operations on large tensors are furthest from a copy's bandwidth.
      step "bandwidth_$precision" "$duet" bench --mode train --size 160 160 128 --batch 4 --precision "$precision" \
        --steps 3 --device cuda --ops
    done
    # Last, as the peer takes long.
    for precision in f32 bf16; do
      large=(--size 112 112 80 --batch 4 --precision "$precision" --steps 5 --device cuda --json)
      flag=() && [ "$precision" = bf16 ] && flag=(--bf16)
      for work in 'train' 'infer' 'cotrain --samples 8'; do
        name=${work%% *}_$precision
        # shellcheck disable=SC2086  # a mode and its flags
        step "$name" "$duet" bench --mode $work "${large[@]}"
        [ -n "$peer" ] || continue
        for layout in '' --channels-last; do
          # shellcheck disable=SC2086
          step "peer_$name$layout" $peer --device cuda --mode $work --size 112 112 80 --batch 4 --steps 5 \
            "${flag[@]}" $layout
        done
        ratios "$name" "peer_$name"
        [ "${work%% *}" = cotrain ] || continue
        for layout in '' --channels-last; do
          # shellcheck disable=SC2086
          step "peer_shared_$name$layout" $peer --device cuda --mode $work --share-prefix --size 112 112 80 \
            --batch 4 --steps 5 "${flag[@]}" $layout
        done
        ratios "$name" "peer_shared_$name"
      done
    done ;;
esac
finish

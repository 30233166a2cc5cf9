#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test, with oneDNN (and CUDA where nvcc is) and without. On a bare Debian 12 this is all it takes.
#   ./tools/test.sh             the release build and the ref-only build
#   ./tools/test.sh --sanitize  one build under AddressSanitizer and UndefinedBehaviorSanitizer
set -euo pipefail
cd "$(dirname "$0")/.."
presets=(release ref-only)
case "${1:-}" in
  "") ;;
  --sanitize)
    presets=(asan-ubsan)
    # oneDNN 2.6.3 reads beyond a block of its own while it makes a convolution for AMX (dnnl_primitive_create).
    export ONEDNN_MAX_CPU_ISA=${ONEDNN_MAX_CPU_ISA:-AVX512_CORE_BF16}
    ;;
  *) echo "usage: tools/test.sh [--sanitize]" >&2; exit 2 ;;
esac

mapfile -t packages <tools/packages.txt
bash tools/install.sh "${packages[@]}"
# Opens the report page for one test, which skips without it but under CI=true.
bash tools/install.sh chromium || [ "${CI:-}" != true ]
launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCMAKE_CUDA_COMPILER_LAUNCHER=ccache)
# Where nvcc is, the release build has the CUDA room. Without a GPU one architecture is enough to see that it compiles and links; the
# folder keeps it, so that a GPU that comes later needs a folder of its own, as gpu_check.sh has.
gpu=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -n 1 | tr -d .) || true
export CUDAARCHS=${CUDAARCHS:-${gpu:-90}-real}

passed=0 failed=0 skipped=0
for preset in "${presets[@]}"; do
  echo "== $preset: build"
  cmake --preset "$preset" "${launcher[@]}" -DDUET_TESTS=ON >/dev/null
  cmake --build --preset "$preset" -- -j "$(nproc)"
  folder=$(sed -n 's/^CMAKE_CACHEFILE_DIR:INTERNAL=//p' "$(case $preset in release) echo build ;; ref-only) echo build-ref ;; *) echo build-asan ;; esac)/CMakeCache.txt")
  echo "== $preset: tests"
  log="$folder/test.log"
  code=0
  (cd "$folder" && OMP_NUM_THREADS=${OMP_NUM_THREADS:-2} ctest --verbose --timeout 1200) >"$log" 2>&1 || code=$?
  grep -E 'op cases:|bad-input rows:|FAILED|ERROR|SKIPPED|^\S*\s*[0-9]+/[0-9]+ Test' "$log" || true
  # ctest's own line is the last of its kind: tests may print such lines, too.
  line=$(grep -E '^[0-9]+% tests passed, [0-9]+ tests? failed out of [0-9]+$' "$log" | tail -n 1) || true
  [ -n "$line" ] || { tail -n 40 "$log"; echo "0 passed, 1 failed"; exit 1; }
  bad=$(echo "$line" | sed -E 's/.*, ([0-9]+) tests? failed out of.*/\1/')
  all=$(echo "$line" | sed -E 's/.* out of ([0-9]+)$/\1/')
  [ "$code" -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
  failed=$((failed + bad)) passed=$((passed + all - bad))
  skipped=$((skipped + $(grep -c 'SKIPPED:' "$log" || true)))
  [ "$bad" -eq 0 ] || echo "the log of $preset is $log"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]

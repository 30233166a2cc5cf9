#!/usr/bin/env bash
# clang-format (check only; --fix rewrites) and clang-tidy over the tree. Needs a configured build folder for clang-tidy.
set -euo pipefail
cd "$(dirname "$0")/.."
bash tools/install.sh clang-format clang-tidy
mapfile -t files < <(git ls-files '*.cpp' '*.h')
if [ "${1:-}" = --fix ]; then
  clang-format -i "${files[@]}"
else
  clang-format --dry-run -Werror "${files[@]}"
fi
mapfile -t sources < <(git ls-files 'engine/*.cpp' 'nn/*.cpp' 'io/*.cpp' 'cotrain/*.cpp' 'tools/*.cpp' | grep -v backend/cuda)
printf '%s\n' "${sources[@]}" | xargs -P "$(nproc)" -n 4 clang-tidy -p build --quiet

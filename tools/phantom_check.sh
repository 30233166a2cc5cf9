#!/usr/bin/env bash
# What labels are worth on the phantom: trains the demo's few labels and all labels on one data set, and prints the mean Dice of
# both on cases that neither has seen. Minutes on two cores; needs the built program (tools/demo.sh builds it).
#   ./tools/phantom_check.sh [FOLDER]    (default: build/phantom_check; made anew)
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-build/phantom_check}
duet=${DUET:-$PWD/build/bin/duet}

rm -rf "$out"
"$duet" phantom --out "$out/data" --cases 40 --test 10 --seed 1
train=("$duet" train --config configs/demo.json --set "data.dataset=$out/data/dataset.json")
"${train[@]}" --out "$out/few"
"${train[@]}" --out "$out/all" --set data.labelled=-1 --set method.name=supervised \
  --set training.labelled_batch=4
for run in few all; do
  "$duet" predict --run "$out/$run" --input "$out/data/imagesTs" --out "$out/$run/predictions" >/dev/null
  echo "$run: $("$duet" evaluate --predictions "$out/$run/predictions" --references "$out/data/labelsTs" \
    --names outer,inner | tail -n 1)"
done

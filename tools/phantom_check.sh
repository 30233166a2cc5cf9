#!/usr/bin/env bash
# What labels are worth on the phantom: trains the demo's few labels and all labels on one data set, and prints the mean Dice of
# both on cases that neither has seen. Minutes on two cores; needs the built program (tools/demo.sh builds it).
#   ./tools/phantom_check.sh [FOLDER]    (default: build/phantom_check; made anew; one with other things in it is refused)
set -euo pipefail
out=$(bash "$(dirname "$0")/own_folder.sh" "$0" "${1:-}")
cd "$(dirname "$0")/.."
duet=${DUET:-$PWD/build/bin/duet}

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

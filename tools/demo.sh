#!/usr/bin/env bash
# Installs what is missing, builds, makes a phantom data set, trains two networks on it from four labelled cases and the
# unlabelled ones, segments cases they never saw, and prints the table of metrics and where the pictures are. Minutes on two cores.
#   ./tools/demo.sh [FOLDER]    (default: build/demo; made anew; one with other things in it is refused)
set -euo pipefail
out=$(bash "$(dirname "$0")/own_folder.sh" "$0" "${1:-}")
cd "$(dirname "$0")/.."

mapfile -t packages < <(grep -v doctest tools/packages.txt)
bash tools/install.sh "${packages[@]}"
cmake --preset release -DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DDUET_TESTS=OFF >/dev/null
cmake --build --preset release -- -j "$(nproc)"
duet=$PWD/build/bin/duet
start=$(date +%s)

"$duet" phantom --out "$out/data" --cases 40 --unlabelled 24 --test 10 --seed 1
"$duet" train --config configs/demo.json --set data.dataset="$out/data/dataset.json" --out "$out/run"
"$duet" predict --run "$out/run" --input "$out/data/imagesTs" --out "$out/predictions" --uncertainty --pictures
"$duet" evaluate --predictions "$out/predictions" --references "$out/data/labelsTs" --names outer,inner \
  --json "$out/metrics.json" --csv "$out/metrics.csv"
echo "pictures: $out/predictions/*.png   uncertainty maps: $out/predictions/*_uncertainty.nii.gz"
echo "done in $(($(date +%s) - start)) s after the build"

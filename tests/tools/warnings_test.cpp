// What goes on, but is said: images unlike those that were learnt from, settings that undo each other, data
// that has moved, a terminal that closes; and what is refused although it would run.
#include "tests/tools/desk.h"

using namespace duet;
using namespace duet::testing;

namespace fs = std::filesystem;

TEST_CASE("a data set that has moved: a run goes on and is reported where it is told; other images are not") {
  const Desk desk;
  REQUIRE(desk.ran("@duet train --config {d}/c.json --out {d}/run --set training.iterations=4").code == 0);
  fs::rename(desk.folder / "data", desk.folder / "moved");
  const Ran lost = desk.ran("@duet train --out {d}/run --resume");
  CHECK(lost.code == 3);
  const std::string moved = " --set data.dataset={d}/moved/dataset.json";
  CHECK(desk.ran("@duet train --config {d}/run/config.resolved.json --out {d}/run --resume" + moved).code ==
        0);
  CHECK(desk.ran("@duet report {d}/run").code == 0);    // it notes where it went on
  fs::remove_all(desk.folder / "run" / "checkpoints");  // and so it does from the beginning
  CHECK(says(desk.ran("@duet train --out {d}/run --resume"), "no checkpoint yet: starting from iteration 0"));
  fs::rename(desk.folder / "moved", desk.folder / "again");
  CHECK(desk.ran("@duet report {d}/run").code == 3);
  const Ran report =
      desk.ran("@duet report {d}/run --dataset {d}/again/dataset.json --passes 1 --pass-cases 1");
  INFO(report.output);
  CHECK(report.code == 0);

  fs::copy_file(desk.folder / "again/imagesTr/phantom_000.nii.gz",
                desk.folder / "again/imagesTr/phantom_001.nii.gz", fs::copy_options::overwrite_existing);
  const Ran other = desk.ran("@duet report {d}/run --dataset {d}/again/dataset.json");
  CHECK(other.code == 3);
  CHECK(says(other, "phantom_001.nii.gz of case phantom_001 (changed)"));
}

TEST_CASE("predict: an image of another voxel size, a checkpoint that is not whole") {
  const Desk desk;
  REQUIRE(desk.ran("@duet train --config {d}/c.json --out {d}/run").code == 0);
  write_ramp(desk.folder / "fine.nii.gz", {20, 20, 20}, {0.5, 0.5, 0.5});
  write_ramp(desk.folder / "usual.nii.gz", {20, 20, 20}, {1.1, 1, 1});
  const Ran fine = desk.ran("@duet predict --run {d}/run --input {d}/fine.nii.gz --out {d}/out");
  CHECK(fine.code == 0);
  CHECK(says(fine, "fine.nii.gz: its spacing (D,H,W), 0.5x0.5x0.5 mm"));
  CHECK_FALSE(
      says(desk.ran("@duet predict --run {d}/run --input {d}/usual.nii.gz --out {d}/out"), "spacing"));

  // Another iteration's weights would pass for the best ones.
  fs::remove(desk.folder / "run/checkpoints/best/training.safetensors");
  const Ran part = desk.ran("@duet predict --run {d}/run --input {d}/usual.nii.gz --out {d}/other");
  CHECK(part.code == 3);
  CHECK(says(part, "checkpoints/best: expected training.safetensors"));
}

TEST_CASE("settings that undo each other are named") {
  const Desk desk;
  const Ran alone = desk.ran(
      "@duet train --config {d}/c.json --set method.name=supervised --set training.iterations=1 --out {d}/s");
  CHECK(alone.code == 0);
  CHECK(says(alone, "method supervised leaves 4 unlabelled cases aside"));
  const Ran half = desk.ran(
      "@duet train --config {d}/c.json --set training.iterations=1 --out {d}/w --weights "
      "{d}/s/checkpoints/last/network_1.safetensors");
  CHECK(half.code == 0);
  CHECK(says(half, "--weights has 1 of 2 networks' files"));
  desk.folder.write("study.json", R"({"config": "c.json", "seeds": [1], "cases": "validation", "rows":
 [{"name": "all", "set": ["data.labelled=-1", "method.name=supervised", "training.iterations=1"]}]})");
  const Ran study = desk.ran("@duet study {d}/study.json --set data.labelled=2 --out {d}/study");
  CHECK(study.code == 0);
  CHECK(says(study, "row all: --set data.labelled=2 replaces its own data.labelled=-1"));
  const Ran few = desk.ran("@duet config --from {d}/data/dataset.json --memory 1 --out {d}/my.json");
  CHECK(says(few, "chosen: udct, patch"));
}

TEST_CASE("data: nnU-Net's labels, an image of one value, a patch beyond all memory") {
  const Desk desk;
  std::string json = contents_of(desk.folder / "data/dataset.json");
  const std::string own = "\"0\": \"background\"";
  json.replace(json.find(own), own.size(), "\"background\": 0");
  desk.folder.write("data/nnunet.json", json);
  const Ran turned =
      desk.ran("@duet train --config {d}/c.json --set data.dataset={d}/data/nnunet.json --out {d}/n");
  CHECK(turned.code == 3);
  CHECK(says(turned, "the other way round (nnU-Net's form)"));

  if (kAddressesMayBeFew) {
    const Ran vast = desk.ran(
        "ulimit -v 4000000; @duet train --config {d}/c.json --set data.patch=[4096,4096,4096] --dry-run");
    CHECK(vast.code == 6);
    CHECK(says(vast, "padded to data.patch 4096x4096x4096"));
  } else {
    MESSAGE("SKIPPED: a patch beyond all memory, as AddressSanitizer does not start under ulimit -v");
  }
  const Ran wide = desk.ran(
      "@duet train --config {d}/c.json --set model.width=512 --set model.depth=5 --set "
      "data.patch=[128,128,128] --dry-run");
  CHECK(wide.code == 6);
  CHECK(says(wide, "at model.width 512 is estimated to take"));

  const Geometry cube = make_geometry(Triple{20, 20, 20}, std::array<double, 3>{1, 1, 1});
  const std::vector<float> even(20 * 20 * 20, 3.0f);
  write_image(desk.folder / "data/imagesTr/phantom_000.nii.gz", cube, std::span<const float>(even));
  const std::vector<std::uint8_t> none(20 * 20 * 20, 0);
  write_image(desk.folder / "data/labelsTr/phantom_000.nii.gz", cube, std::span<const std::uint8_t>(none));
  const Ran blank = desk.ran(
      "@duet train --config {d}/c.json --set data.labelled=-1 --set data.report=0 --set data.validation=0 "
      "--set method.name=supervised --set training.iterations=1 --out {d}/b");
  CHECK(says(blank, "case phantom_000: its image is of one value everywhere"));
}

TEST_CASE("a terminal that closes: the run is saved; a reader that leaves: it goes on; nohup: it stays") {
  const Desk desk;
  const std::string start =
      "@duet train --config {d}/c.json --set training.iterations=3000 --set training.checkpoint_every=3000 ";
  const std::string wait =
      "until [ $(cat {d}/RUN/metrics.csv 2>/dev/null | wc -l) -gt 3 ]; do sleep 0.01; done; ";
  const auto of = [](std::string text, const std::string& run) {
    for (std::size_t at = 0; (at = text.find("RUN", at)) != std::string::npos;) text.replace(at, 3, run);
    return text;
  };
  const Ran closed =
      desk.ran(start + "--out {d}/a & child=$!; " + of(wait, "a") + "kill -HUP $child; wait $child");
  CHECK(closed.code == 130);
  CHECK(fs::exists(desk.folder / "a/checkpoints/last/network_1.safetensors"));
  const Ran kept = desk.ran("trap '' HUP; " + start + "--out {d}/b & child=$!; " + of(wait, "b") +
                            "kill -HUP $child; sleep 0.1; kill -INT $child; wait $child");
  CHECK(kept.code == 130);
  CHECK(desk.ran("@duet train --config {d}/c.json --out {d}/c 2>&1 | true").code == 0);
  for (int i = 0; i < 200 && !fs::exists(desk.folder / "c/checkpoints/last"); ++i) run_duet("sleep 0.05");
  CHECK(fs::exists(desk.folder / "c/checkpoints/last"));
}

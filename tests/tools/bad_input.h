// What the rows of bad input share: the place they are run in, a row, and where the rows are.
#pragma once

#include <functional>

#include "tests/tools/run_duet.h"

namespace duet::testing {

namespace fs = std::filesystem;

inline constexpr Triple kSize{16, 16, 16};
inline constexpr std::array<double, 3> kSpacing{1, 1, 1};

// The place that rows share: a data set of two classes, a config, a trained run and its predictions.
struct Place {
  TemporaryFolder folder;
  std::string dir = folder.path().string();

  Place() {
    dataset("good", 6, [](const fs::path&) {});
    folder.write("c.json", R"({"data": {"labelled": 2, "validation": 1, "patch": [16, 16, 16]},
 "model": {"width": 2, "depth": 3}, "method": {"name": "udct", "samples": 1},
 "training": {"iterations": 2, "labelled_batch": 1, "unlabelled_batch": 1, "checkpoint_every": 1}})");
    REQUIRE(
        ran("@duet train --config {d}/c.json --set data.dataset={d}/good/dataset.json --out {d}/run").code ==
        0);
    fs::create_directories(folder / "images");
    write_ramp(folder / "images/good.nii.gz", kSize);
    REQUIRE(ran("@duet predict --run {d}/run --input {d}/images --out {d}/predictions").code == 0);
  }

  // A data set whose first case `spoil` may change; four labelled cases at the front of `cases`.
  void dataset(const std::string& name, int cases, const std::function<void(const fs::path&)>& spoil,
               const std::string& extra = "") {
    const fs::path root = folder / name;
    std::string list, unlabelled;
    for (const char* sub : {"imagesTr", "labelsTr"}) fs::create_directories(root / sub);
    for (int i = 0; i < cases; ++i) {
      const std::string file = text("case", i, ".nii.gz");
      write_ramp(root / "imagesTr" / file, kSize);
      const bool labelled = i < 4;
      if (labelled) write_labels(root / "labelsTr" / file, kSize);
      std::string& to = labelled ? list : unlabelled;
      to += (to.empty() ? "" : ", ") + text(R"({"image": "imagesTr/)", file, "\"");
      if (labelled) to += text(R"(, "label": "labelsTr/)", file, "\"");
      to += "}";
    }
    folder.write(name + "/dataset.json", text(R"({"name": "t", "modality": {"0": "MRI"},
 "labels": {"0": "background", "1": "organ"}, "training": [)",
                                              list, extra, "], \"unlabelled\": [", unlabelled, "]}"));
    spoil(root);
  }

  Ran ran(std::string command) const {
    for (std::size_t at = 0; (at = command.find("{d}", at)) != std::string::npos;)
      command.replace(at, 3, dir);
    return run_duet(command);
  }

  // Every file of the trained run and its predictions.
  std::map<std::string, std::string> outputs() const {
    std::map<std::string, std::string> files;
    for (const char* sub : {"run", "predictions"}) {
      for (const auto& entry : fs::recursive_directory_iterator(folder / sub)) {
        if (entry.is_regular_file()) files[entry.path().string()] = contents_of(entry.path());
      }
    }
    return files;
  }
};

struct Row {
  std::string name, command;
  int code;
  std::vector<std::string> named;  // pieces that the output must hold
  std::function<void(Place&)> prepare = [](Place&) {};
};

inline const std::string kTrain = "@duet train --config {d}/c.json --out {d}/new --set data.dataset={d}/";
inline const std::string kTrainGood = kTrain + "good/dataset.json ";
inline const std::string kPredict = "@duet predict --run {d}/run --out {d}/predictions --input {d}/bad";

std::vector<Row> image_rows();    // bytes of an image, and its header
std::vector<Row> dataset_rows();  // cases of a data set and its dataset.json
std::vector<Row> config_rows();
std::vector<Row> file_rows();  // runs, checkpoints, weights, predictions, studies

}  // namespace duet::testing

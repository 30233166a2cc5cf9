// One row for each bad input: what is run, the exit code, what the message names, and that earlier outputs
// are intact.
#include <cmath>
#include <functional>
#include <limits>

#include "tests/tools/run_duet.h"

using namespace duet;
using namespace duet::testing;

namespace {

namespace fs = std::filesystem;

constexpr Triple kSize{16, 16, 16};
constexpr std::array<double, 3> kSpacing{1, 1, 1};

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

const std::string kTrain = "@duet train --config {d}/c.json --out {d}/new --set data.dataset={d}/";
const std::string kTrainGood = kTrain + "good/dataset.json ";
const std::string kPredict = "@duet predict --run {d}/run --out {d}/predictions --input {d}/bad";

// The bytes of bad.nii, looked at by info and by predict.
std::vector<Row> image_rows() {
  struct File {
    std::string name, named;
    std::function<std::string()> bytes;
  };
  const std::vector<File> files = {
      {"empty", "empty", [] { return std::string(); }},
      {"not NIfTI", "not a NIfTI", [] { return std::string(2000, 'x'); }},
      {"header cut short", "200 of 348",
       [] {
         return nifti1({3, 4, 4, 4, 1, 1, 1, 1}, 16, 32).substr(0, 200);
       }},
      {"voxels cut short", "452",
       [] {
         return nifti1({3, 8, 8, 8, 1, 1, 1, 1}, 16, 32) + std::string(100, '\0');
       }},
      {"declared size beyond the file", "108000000000352",
       [] {
         return nifti1({3, 30000, 30000, 30000, 1, 1, 1, 1}, 16, 32);
       }},
      {"dim[0] of 200", "200",
       [] {
         return nifti1({200, 4, 4, 4, 1, 1, 1, 1}, 16, 32) + std::string(256, '\0');
       }},
      {"dim[0] of 2^40", "1099511627776", [] { return nifti2(std::int64_t{1} << 40); }},
      {"dim[0] of -2^40", "-1099511627776", [] { return nifti2(-(std::int64_t{1} << 40)); }},
      {"complex", "complex",
       [] {
         return nifti1({3, 4, 4, 4, 1, 1, 1, 1}, 32, 64) + std::string(512, '\0');
       }},
      {"RGB", "RGB",
       [] {
         return nifti1({3, 4, 4, 4, 1, 1, 1, 1}, 128, 24) + std::string(192, '\0');
       }},
      {"RGBA", "RGBA",
       [] {
         return nifti1({3, 4, 4, 4, 1, 1, 1, 1}, 2304, 32) + std::string(256, '\0');
       }},
  };
  std::vector<Row> rows;
  for (const File& file : files) {
    const auto prepare = [bytes = file.bytes](Place& p) {
      fs::remove_all(p.folder / "bad");
      p.folder.write("bad/bad.nii", bytes());
    };
    rows.push_back({"info: " + file.name, "@duet info {d}/bad/bad.nii", 3, {"bad.nii", file.named}, prepare});
    rows.push_back({"predict: " + file.name, kPredict, 3, {"bad.nii", file.named, "1 failed"}, prepare});
  }
  const auto image = [](const std::function<void(const fs::path&)>& write) {
    return [write](Place& p) {
      fs::remove_all(p.folder / "bad");
      fs::create_directories(p.folder / "bad");
      write(p.folder / "bad/bad.nii.gz");
    };
  };
  rows.push_back({"info: missing", "@duet info {d}/none.nii", 4, {"none.nii"}});
  rows.push_back(
      {"predict: missing", "@duet predict --run {d}/run --out {d}/o --input {d}/none.nii", 4, {"none.nii"}});
  rows.push_back({"predict: not finite", kPredict, 3, {"bad.nii.gz", "finite"}, image([](const fs::path& f) {
                    write_ramp(f, kSize, {1, 1, 1}, std::numeric_limits<float>::quiet_NaN());
                  })});
  rows.push_back({"predict: 4D", kPredict, 3, {"bad.nii.gz", "channel"}, image([](const fs::path& f) {
                    const std::vector<float> values(2 * 4096, 1.0f);
                    write_image(f, make_geometry(kSize, kSpacing), std::span<const float>(values));
                  })});
  rows.push_back({"predict: goes on after a bad case",
                  kPredict,
                  3,
                  {"1 segmented", "1 failed", "bad.nii"},
                  [](Place& p) {
                    fs::remove_all(p.folder / "bad");
                    p.folder.write("bad/bad.nii", "x");
                    write_ramp(p.folder / "bad/other.nii.gz", kSize);
                  }});
  return rows;
}

std::vector<Row> dataset_rows() {
  const auto spoilt = [](const std::string& name, const std::function<void(const fs::path&)>& spoil,
                         const std::string& extra = "") {
    return [=](Place& p) { p.dataset(name, 6, spoil, extra); };
  };
  const auto each_label = [](const std::function<void(const fs::path&)>& write) {
    return [write](const fs::path& root) {
      for (int i = 0; i < 4; ++i) write(root / "labelsTr" / text("case", i, ".nii.gz"));
    };
  };
  return {
      {"label of another shape",
       kTrain + "a/dataset.json",
       3,
       {"case", "shape", "(16,16,16)", "(16,16,15)"},
       spoilt("a", each_label([](const fs::path& f) {
                write_labels(f, {16, 16, 15});
              }))},
      {"label of another affine",
       kTrain + "b/dataset.json",
       3,
       {"case", "affine", "mm"},
       spoilt("b", each_label([](const fs::path& f) {
                write_labels(f, kSize, {1, 1, 1.5});
              }))},
      {"label value outside the classes",
       kTrain + "c/dataset.json",
       3,
       {"labelsTr/case", "7"},
       spoilt("c", each_label([](const fs::path& f) {
                write_labels(f, kSize, {1, 1, 1}, 7);
              }))},
      {"image not finite",
       kTrain + "e/dataset.json",
       3,
       {"imagesTr/case", "finite"},
       spoilt("e",
              [](const fs::path& root) {
                for (int i = 0; i < 6; ++i) {
                  write_ramp(root / "imagesTr" / text("case", i, ".nii.gz"), kSize, {1, 1, 1},
                             std::numeric_limits<float>::infinity());
                }
              })},
      {"4D training image",
       kTrain + "f/dataset.json",
       3,
       {"imagesTr/case", "channel"},
       spoilt("f",
              [](const fs::path& root) {
                const std::vector<float> values(2 * 4096, 1.0f);
                for (int i = 0; i < 6; ++i) {
                  write_image(root / "imagesTr" / text("case", i, ".nii.gz"), make_geometry(kSize, kSpacing),
                              std::span<const float>(values));
                }
              })},
      {"cases of different spacing: a warning",
       kTrain + "g/dataset.json",
       0,
       {"warning", "spacing", "case5"},
       spoilt("g",
              [](const fs::path& root) {
                write_ramp(root / "imagesTr/case5.nii.gz", kSize, {1, 1, 3});
              })},
      {"cases of different orientation: a warning",
       kTrain + "h/dataset.json",
       0,
       {"warning", "orientation", "case5"},
       spoilt("h",
              [](const fs::path& root) {
                Affine left;
                left.m[0][0] = -1;
                const std::vector<float> values(4096, 1.0f);
                write_image(root / "imagesTr/case5.nii.gz", make_geometry(kSize, left),
                            std::span<const float>(values));
              })},
      {"missing file",
       kTrain + "i/dataset.json",
       3,
       {"dataset.json", "case2"},
       spoilt("i", [](const fs::path& root) { fs::remove(root / "imagesTr/case2.nii.gz"); })},
      {"duplicate case",
       kTrain + "j/dataset.json",
       3,
       {"dataset.json", "case1"},
       spoilt(
           "j", [](const fs::path&) {}, R"(, {"image": "imagesTr/case1.nii.gz"})")},
      {"no label at all",
       kTrain + "k/dataset.json",
       3,
       {"dataset.json", "label"},
       [](Place& p) {
         p.folder.write("k/dataset.json", R"({"labels": {"0": "background", "1": "organ"},
 "training": [{"image": "../good/imagesTr/case0.nii.gz"}]})");
       }},
      {"two modalities",
       kTrain + "l/dataset.json",
       3,
       {"dataset.json", "channel"},
       [](Place& p) {
         p.folder.write("l/dataset.json",
                        R"({"labels": {"0": "background", "1": "organ"}, "modality": {"0": "a", "1": "b"},
 "training": [{"image": "../good/imagesTr/case0.nii.gz", "label": "../good/labelsTr/case0.nii.gz"}]})");
       }},
      {"dataset.json is not JSON",
       kTrain + "m/dataset.json",
       3,
       {"dataset.json:2:"},
       [](Place& p) { p.folder.write("m/dataset.json", "{\n oops"); }},
      {"dataset.json missing", kTrain + "none/dataset.json", 3, {"none/dataset.json"}},
      {"fewer labelled cases than asked for", kTrainGood + "--set data.labelled=50", 3, {"50", "4"}},
  };
}

std::vector<Row> config_rows() {
  const auto config = [](const std::string& json) {
    return [json](Place& p) { p.folder.write("bad.json", json); };
  };
  const std::string train = "@duet train --out {d}/new --config {d}/bad.json";
  return {
      {"unknown key, position and nearest name",
       train,
       2,
       {"bad.json:2:", "training.iteratons", "training.iterations"},
       config("{\"data\": {\"dataset\": \"x\"},\n \"training\": {\"iteratons\": 5}}")},
      {"mistyped key, and every error at once",
       train,
       2,
       {"training.iterations", "model.width", "model.norm"},
       config(
           R"({"data": {"dataset": "x"}, "training": {"iterations": "many"}, "model": {"width": -1, "norm": "layer"}})")},
      {"patch not divisible: the nearest sizes",
       train,
       2,
       {"data.patch", "16", "32"},
       config(R"({"data": {"dataset": "x", "patch": [32, 32, 30]}})")},
      {"bottleneck of one voxel under instance norm",
       train,
       2,
       {"data.patch", "instance"},
       config(R"({"data": {"dataset": "x", "patch": [16, 16, 16]}})")},
      {"not JSON", train, 2, {"bad.json:1:"}, config("{\"data\": }")},
      {"config missing", "@duet train --out {d}/new --config {d}/none.json", 2, {"none.json"}},
      {"no data set", train, 2, {"data.dataset"}, config("{}")},
      {"--set names the option",
       kTrainGood + "--set training.iteratons=5",
       2,
       {"--set training.iteratons=5"}},
      {"--set without a value", kTrainGood + "--set training.iterations", 2, {"--set training.iterations"}},
      {"unknown option", "@duet train --config {d}/c.json --speed", 2, {"--speed"}},
      {"unknown subcommand", "@duet fly", 2, {"fly"}},
      {"no subcommand", "@duet", 2, {"subcommand"}},
      {"a GPU that is not there", kTrainGood + "--device cuda:999", 6, {"cuda:999"}},
      {"unknown device", kTrainGood + "--device tpu", 2, {"tpu"}},
      {"unknown backend", kTrainGood + "--backend mkl", 6, {"mkl"}},
      {"no --out", "@duet train --config {d}/c.json --set data.dataset={d}/good/dataset.json", 2, {"--out"}},
  };
}

std::vector<Row> file_rows() {
  return {
      {"weights of another network",
       kTrainGood + "--set model.width=4 --weights {d}/run/checkpoints/last/network_1.safetensors",
       3,
       {"network_1.safetensors", "another network"}},
      {"weights that are none", kTrainGood + "--weights {d}/c.json", 3, {"c.json"}},
      {"too many weights",
       kTrainGood + "--weights {d}/c.json --weights {d}/c.json --weights {d}/c.json",
       2,
       {"--weights"}},
      {"folder that holds another run",
       "@duet train --config {d}/c.json --set data.dataset={d}/good/dataset.json --out {d}/run",
       4,
       {"{d}/run", "another run"}},
      {"resume with another config",
       "@duet train --config {d}/c.json --set data.dataset={d}/good/dataset.json --set model.width=3 "
       "--resume --out {d}/run",
       2,
       {"model.width", "3"}},
      {"resume without a run", kTrainGood + "--resume", 4, {"{d}/new"}},
      {"resume after a file of the split changed",
       "@duet train --config {d}/changed/c.json --resume --out {d}/changed/run",
       3,
       {"case"},
       [](Place& p) {
         p.dataset("changed", 6, [](const fs::path&) {});
         fs::copy_file(p.folder / "c.json", p.folder / "changed/c.json",
                       fs::copy_options::overwrite_existing);
         std::string json = contents_of(p.folder / "changed/c.json");
         json.replace(json.find("\"labelled\""), 0, "\"dataset\": \"" + p.dir + "/changed/dataset.json\", ");
         p.folder.write("changed/c.json", json);
         REQUIRE(p.ran("@duet train --config {d}/changed/c.json --out {d}/changed/run").code == 0);
         for (int i = 0; i < 6; ++i) {
           write_ramp(p.folder / text("changed/imagesTr/case", i, ".nii.gz"), kSize, {1, 1, 1}, 5.0f);
         }
       }},
      {"output below a file",
       "@duet train --config {d}/c.json --set data.dataset={d}/good/dataset.json --out {d}/c.json/run",
       4,
       {"c.json"}},
      {"config to a full disk",
       "@duet config --from {d}/good/dataset.json --out /dev/full",
       4,
       {"/dev/full"}},
      {"results to a full disk", "@duet config --explain > /dev/full", 4, {"standard output"}},
      {"metrics to a full disk",
       "@duet evaluate --predictions {d}/good/labelsTr --references {d}/good/labelsTr --json /dev/full",
       4,
       {"/dev/full"}},
      {"training under a file-size limit", "ulimit -f 8; " + kTrainGood, 4, {"{d}/new"}},
      {"prediction under a file-size limit",
       "ulimit -f 0; @duet predict --overwrite --run {d}/run --out {d}/predictions --input {d}/images",
       4,
       {"{d}/predictions/"}},
      {"prediction without a run",
       "@duet predict --run {d}/none --input {d}/images --out {d}/o",
       4,
       {"none"}},
      {"prediction with a broken checkpoint",
       "@duet predict --run {d}/broken --input {d}/images --out {d}/o",
       3,
       {"network_1.safetensors"},
       [](Place& p) {
         fs::copy(p.folder / "run", p.folder / "broken", fs::copy_options::recursive);
         for (const char* which : {"best", "last"}) {
           const fs::path file = p.folder / "broken/checkpoints" / which / "network_1.safetensors";
           if (fs::exists(file)) fs::resize_file(file, fs::file_size(file) / 2);
         }
       }},
      {"prediction onto its own input",
       "@duet predict --run {d}/run --input {d}/predictions --out {d}/predictions",
       3,
       {"good.nii.gz", "replace the input"}},
      {"two images of one case",
       "@duet predict --run {d}/run --input {d}/two --out {d}/o",
       3,
       {"a.nii", "a.nii.gz"},
       [](Place& p) {
         fs::create_directories(p.folder / "two");
         write_ramp(p.folder / "two/a.nii", kSize);
         write_ramp(p.folder / "two/a.nii.gz", kSize);
       }},
      {"evaluate: another shape",
       "@duet evaluate --predictions {d}/p --references {d}/good/labelsTr",
       3,
       {"case0", "shape"},
       [](Place& p) {
         fs::create_directories(p.folder / "p");
         write_labels(p.folder / "p/case0.nii.gz", {16, 16, 12});
       }},
      {"evaluate: no reference",
       "@duet evaluate --predictions {d}/predictions --references {d}/good/labelsTr",
       3,
       {"good"}},
      {"evaluate: no folder",
       "@duet evaluate --predictions {d}/none --references {d}/good/labelsTr",
       4,
       {"none"}},
      {"study: no such file", "@duet study {d}/none.json --out {d}/o", 2, {"none.json"}},
      {"study: a misspelt key",
       "@duet study {d}/s.json --out {d}/o",
       2,
       {"s.json:1:2", "\"seed\""},
       [](Place& p) { p.folder.write("s.json", R"({"seed": [1]})"); }},
      {"study: a result cut short",
       "@duet study {d}/s.json --set data.dataset={d}/good/dataset.json --out {d}/cut",
       3,
       {"a_seed_1.json:1:"},
       [](Place& p) {
         p.folder.write("s.json", R"({"config": "c.json", "seeds": [1], "rows": [{"name": "a"}]})");
         p.folder.write("cut/results/a_seed_1.json", R"({"row": "a", "seed": )");
       }},
      {"report: no run", "@duet report {d}/none", 4, {"none"}},
      {"report: no report cases",
       "@duet report {d}/run --cases report --out {d}/o",
       3,
       {"split.json", "report"}},
      {"phantom onto a data set", "@duet phantom --out {d}/good", 4, {"{d}/good"}},
      {"a loss that is not finite",
       "@duet train --config {d}/c.json --set data.dataset={d}/good/dataset.json --out {d}/wild --set "
       "training.iterations=50 "
       "--set training.learning_rate=100 --set training.momentum=0.99 --set training.weight_decay=1 "
       "--set training.schedule=constant --set training.checkpoint_every=1000",
       5,
       {"iteration", "cases of the batch: case"}},
  };
}

}  // namespace

TEST_CASE("bad input: exit code, what is named, earlier outputs intact") {
  Place place;
  std::vector<Row> rows;
  for (const auto& part : {image_rows(), dataset_rows(), config_rows(), file_rows()}) {
    rows.insert(rows.end(), part.begin(), part.end());
  }
  const auto before = place.outputs();
  for (const Row& row : rows) {
    fs::remove_all(place.folder / "new");
    row.prepare(place);
    const Ran ran = place.ran(row.command);
    INFO(row.name, ": ", row.command, "\n", ran.output);
    CHECK(ran.code == row.code);
    for (std::string piece : row.named) {
      if (const auto at = piece.find("{d}"); at != std::string::npos) piece.replace(at, 3, place.dir);
      INFO("named: ", piece);
      CHECK(ran.output.find(piece) != std::string::npos);
    }
    auto after = place.outputs();
    after.erase(place.dir + "/predictions/other.nii.gz");
    CHECK(after == before);
    // No half-written file is left anywhere.
    for (const auto& entry : fs::recursive_directory_iterator(place.folder.path())) {
      CHECK(entry.path().filename().string().find(".tmp") == std::string::npos);
    }
  }
  std::printf("bad-input rows: %zu\n", rows.size());
}

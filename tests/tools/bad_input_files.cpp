// Rows of bad input: configs, and the files of runs and studies.
#include "tests/tools/bad_input.h"

namespace duet::testing {

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
      {"weights that are not there",
       kTrainGood + "--dry-run --weights {d}/none.safetensors",
       4,
       {"none.safetensors"}},
      {"all classes as one, and some",
       "@duet evaluate --predictions {d}/run --references {d}/run --whole --classes 3",
       2,
       {"--whole"}},
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
      {"evaluation of more classes than names",
       "@duet evaluate --predictions {d}/predictions --references {d}/predictions --classes 5 --names tumour",
       2,
       {"--classes 5", "expected 4 --names"}},
      {"prediction onto its own input",
       "@duet predict --run {d}/run --input {d}/predictions --out {d}/predictions",
       2,
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

}  // namespace duet::testing

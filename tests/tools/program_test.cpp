// The program from end to end on a small phantom: what it writes, with which geometry, and that it skips what
// is done.
#include <nlohmann/json.hpp>

#include "tests/tools/run_duet.h"

using namespace duet;
using namespace duet::testing;

namespace {

namespace fs = std::filesystem;

void expect_done(const Ran& ran) {
  INFO(ran.output);
  REQUIRE(ran.code == 0);
}

// The grid and the header values that an output shares with its input.
void expect_same_geometry(const fs::path& output, const fs::path& input) {
  const Geometry a = read_header(output).geometry, b = read_header(input).geometry;
  CHECK(a.size == b.size);
  CHECK(a.affine == b.affine);
  CHECK(a.stored.pixdim == b.stored.pixdim);
  CHECK(a.stored.srow == b.stored.srow);
  CHECK(a.stored.quaternion == b.stored.quaternion);
  CHECK(a.stored.qform_code == b.stored.qform_code);
  CHECK(a.stored.sform_code == b.stored.sform_code);
  CHECK(a.stored.xyzt_units == b.stored.xyzt_units);
}

}  // namespace

TEST_CASE("phantom, config, train, predict, evaluate, selftest") {
  const TemporaryFolder folder;
  const std::string d = folder.path().string();
  expect_done(run_duet("@duet phantom --out " + d +
                       "/data --cases 8 --unlabelled 3 --test 2 --size 20 20 20 --seed 3"));
  expect_done(run_duet("@duet config --from " + d + "/data/dataset.json --memory 1 --out " + d + "/c.json"));
  const std::string commented = contents_of(folder / "c.json");
  CHECK(commented.find("// ") != std::string::npos);
  CHECK(commented.find("\"udct\"") != std::string::npos);  // there are unlabelled cases
  expect_done(run_duet("@duet config --config " + d + "/c.json"));

  const std::string small = " --config " + d +
                            "/c.json --set model.width=2 --set training.iterations=3 --set method.samples=2"
                            " --set training.validate_every=2 --set inference.samples=2";
  const Ran dry = run_duet("@duet train" + small + " --dry-run --json --out " + d + "/run");
  expect_done(dry);
  const auto estimate = nlohmann::json::parse(dry.output.substr(dry.output.find('{')));
  CHECK(estimate.at("seconds_a_step").get<double>() > 0);
  CHECK(estimate.at("peak_mib").get<double>() > 0);
  CHECK(estimate.at("disk_mib").get<double>() > 0);
  CHECK(!fs::exists(folder / "run"));

  expect_done(run_duet("@duet train" + small + " --seed 9 --out " + d + "/run"));
  for (const char* file :
       {"config.resolved.json", "split.json", "environment.json", "metrics.csv",
        "checkpoints/last/network_2.safetensors", "checkpoints/best/network_1.safetensors"}) {
    INFO(file);
    CHECK(fs::exists(folder / "run" / file));
  }
  CHECK(nlohmann::json::parse(contents_of(folder / "run/config.resolved.json")).at("training").at("seed") ==
        9);

  const std::string predict = "@duet predict --run " + d + "/run --input " + d + "/data/imagesTs --out " + d +
                              "/out --uncertainty --probabilities --pictures --largest-component";
  const Ran first = run_duet(predict), second = run_duet(predict);
  expect_done(first);
  expect_done(second);
  CHECK(first.output.find("2 segmented, 0 already there") != std::string::npos);
  CHECK(second.output.find("0 segmented, 2 already there") != std::string::npos);
  const fs::path image = folder / "data/imagesTs/phantom_008.nii.gz";
  expect_same_geometry(folder / "out/phantom_008.nii.gz", image);
  expect_same_geometry(folder / "out/phantom_008_uncertainty.nii.gz", image);
  CHECK(read_header(folder / "out/phantom_008_probabilities.nii.gz").channels == 3);
  CHECK(fs::file_size(folder / "out/phantom_008.png") > 1000);
  for (float u : read_image(folder / "out/phantom_008_uncertainty.nii.gz").data) REQUIRE((u >= 0 && u <= 1));

  const Ran table =
      run_duet("@duet evaluate --predictions " + d + "/out --references " + d + "/data/labelsTs --json " + d +
               "/m.json --csv " + d + "/m.csv --names outer,inner");
  expect_done(table);
  CHECK(table.output.find("inner") != std::string::npos);
  const auto metrics = nlohmann::json::parse(contents_of(folder / "m.json"));
  CHECK(metrics.at("cases").size() == 4);
  CHECK(contents_of(folder / "m.csv").find("phantom_009,2,inner,") != std::string::npos);

  // Foreground is foreground, whichever class: never worse than the classes together.
  const Ran whole = run_duet("@duet evaluate --whole --predictions " + d + "/out --references " + d +
                             "/data/labelsTs --json " + d + "/w.json");
  expect_done(whole);
  CHECK(whole.output.find("foreground") != std::string::npos);
  const auto together = nlohmann::json::parse(contents_of(folder / "w.json"));
  CHECK(together.at("cases").size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    const auto &one = together.at("cases")[i], &outer = metrics.at("cases")[2 * i],
               &inner = metrics.at("cases")[2 * i + 1];
    for (const char* voxels : {"prediction_voxels", "reference_voxels"})
      CHECK(one.at(voxels) == outer.at(voxels).get<int>() + inner.at(voxels).get<int>());
    CHECK(one.at("common_voxels") >=
          outer.at("common_voxels").get<int>() + inner.at("common_voxels").get<int>());
  }

  const Ran self = run_duet("@duet selftest" + small);
  expect_done(self);
  CHECK(self.output.find("all within 1e-4") != std::string::npos);
  const Ran weights = run_duet("@duet info --json " + d + "/run/checkpoints/last/network_1.safetensors");
  expect_done(weights);
  CHECK(weights.output.find("head.weight") != std::string::npos);
}

TEST_CASE("what the command line gets wrong is told as every error is: duet:, the flag, exit code 2") {
  for (const auto& [arguments, named] :
       std::vector<std::pair<std::string, std::string>>{{"train --no-such-flag", "--no-such-flag"},
                                                        {"predict", "--run"},
                                                        {"bench --batch none", "--batch"},
                                                        {"bench --architecture resnet", "--architecture"},
                                                        {"no-such-command", "no-such-command"}}) {
    const Ran ran = run_duet("@duet " + arguments);
    INFO(ran.output);
    CHECK(ran.code == 2);
    CHECK(ran.output.starts_with("duet: "));
    CHECK(ran.output.find(named) != std::string::npos);
  }
}

TEST_CASE("threads sleep while they wait, unless the environment says otherwise") {
  const auto shown = [](const std::string& environment) {
    const Ran ran =
        run_duet("env -u OMP_WAIT_POLICY OMP_DISPLAY_ENV=true " + environment + " @duet --version");
    CHECK(ran.code == 0);
    CHECK(ran.output.find("\nduet ") != std::string::npos);
    return ran.output.substr(ran.output.rfind("OMP_WAIT_POLICY = "), 27);
  };
  CHECK(shown("") == "OMP_WAIT_POLICY = 'PASSIVE'");
  CHECK(shown("OMP_WAIT_POLICY=active").substr(0, 26) == "OMP_WAIT_POLICY = 'ACTIVE'");
}

TEST_CASE("an image stored in another orientation comes back in its own") {
  const TemporaryFolder folder;
  const std::string d = folder.path().string();
  expect_done(run_duet("@duet phantom --out " + d + "/data --cases 4 --test 0 --size 20 20 20"));
  folder.write("c.json", "{}");
  expect_done(run_duet(
      "@duet train --set data.dataset=" + d + "/data/dataset.json --config " + d + "/c.json --out " + d +
      "/run --set method.name=supervised --set model.width=2 --set model.depth=3 --set data.patch=[16,16,16]"
      " --set data.validation=1 --set training.iterations=1"));
  // The same voxels with i and j exchanged and k backwards.
  const Image straight = read_image(folder / "data/imagesTr/phantom_000.nii.gz");
  const Triple size = straight.size, turned_size{size[0], size[2], size[1]};
  std::vector<float> turned(straight.data.size());
  for (Index k = 0; k < size[0]; ++k) {
    for (Index j = 0; j < size[1]; ++j) {
      for (Index i = 0; i < size[2]; ++i) {
        turned[static_cast<std::size_t>(((size[0] - 1 - k) * size[2] + i) * size[1] + j)] =
            straight.data[static_cast<std::size_t>((k * size[1] + j) * size[2] + i)];
      }
    }
  }
  Affine affine;
  const auto& m = straight.affine.m;
  for (std::size_t row = 0; row < 3; ++row) {
    affine.m[row] = {m[row][1], m[row][0], -m[row][2],
                     m[row][3] + m[row][2] * static_cast<double>(size[0] - 1)};
  }
  fs::create_directories(folder / "in");
  fs::copy_file(folder / "data/imagesTr/phantom_000.nii.gz", folder / "in/straight.nii.gz");
  write_image(folder / "in/turned.nii.gz", make_geometry(turned_size, affine),
              std::span<const float>(turned));
  expect_done(run_duet("@duet predict --run " + d + "/run --input " + d + "/in --out " + d + "/out"));
  expect_same_geometry(folder / "out/turned.nii.gz", folder / "in/turned.nii.gz");
  // Seen in RAS both segmentations are one.
  const Image a = read_image(folder / "out/straight.nii.gz", {true}),
              b = read_image(folder / "out/turned.nii.gz", {true});
  CHECK(a.size == b.size);
  CHECK(a.data == b.data);
}

// Reading ahead and writing behind leave results, messages and their order as they are one case at a time.
#include "cotrain/predict/predict_cases.h"

#include <map>

#include "cotrain/predict/evaluate_cases.h"
#include "cotrain/train/checkpoint.h"
#include "engine/core/errors.h"
#include "io/nifti/write.h"
#include "tests/cotrain/small_run.h"
#include "tests/io/temporary_folder.h"

using namespace duet;
using namespace duet::testing;

namespace {

namespace fs = std::filesystem;

struct Place {
  TemporaryFolder folder;
  std::unique_ptr<Backend> backend = make_default_backend();
  TrainedNetworks trained;
  PredictOptions options;
  std::vector<std::string> progress;

  Place() {
    trained.config = small_config("udct");
    trained.config.data.patch = {8, 8, 8};
    trained.config.model.depth = 2;
    trained.config.inference.samples = 2;
    trained.classes = 3;
    trained.networks = make_training_state(*backend, trained.config, 3).networks;
    options.input = folder / "in";
    options.output = folder / "out";
    options.uncertainty = options.probabilities = options.pictures = true;
    fs::create_directories(options.input);
  }
  void image(const std::string& name, int phase) const {
    const Triple size{10, 9, 7};  // padded along W
    std::vector<float> values(10 * 9 * 7);
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<float>((i * 7 + static_cast<std::size_t>(phase) * 31) % 53);
    }
    write_image(options.input / name, make_geometry(size, std::array{1.0, 1.0, 1.0}),
                std::span<const float>(values));
  }
  PredictReport run() {
    progress.clear();
    return predict_cases(*backend, trained, options, [&](Index done, Index total, const std::string& id) {
      progress.push_back(text(done, '/', total, ' ', id));
    });
  }
  std::map<std::string, std::string> outputs() const {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::directory_iterator(options.output)) {
      std::ifstream in(entry.path(), std::ios::binary);
      files[entry.path().filename().string()] = std::string(std::istreambuf_iterator<char>(in), {});
    }
    return files;
  }
};

}  // namespace

TEST_CASE("a folder gives what its images give one by one; bad images are named in their turn") {
  Place place;
  for (int i : {0, 2, 3, 6}) place.image(text("case", i, ".nii.gz"), i);
  for (int i : {1, 4, 5}) place.folder.write(text("in/case", i, ".nii"), text("no image ", i));
  const PredictReport report = place.run();
  CHECK(report.done == 4);
  CHECK(report.skipped == 0);
  REQUIRE(report.failures.size() == 3);
  CHECK(report.failures[0].find("case1.nii") != std::string::npos);
  CHECK(report.failures[1].find("case4.nii") != std::string::npos);
  CHECK(report.failures[2].find("case5.nii") != std::string::npos);
  CHECK(place.progress == std::vector<std::string>{"0/7 case0", "1/7 case1", "2/7 case2", "3/7 case3",
                                                   "4/7 case4", "5/7 case5", "6/7 case6"});
  const auto together = place.outputs();
  CHECK(together.size() == 4 * 4 + 1);  // and predictions.json

  fs::remove_all(place.options.output);
  for (int i : {0, 2, 3, 6}) {
    place.options.input = place.folder / text("in/case", i, ".nii.gz");
    CHECK(place.run().done == 1);
  }
  CHECK(place.outputs() == together);

  // What is there is skipped, what is missing is made again.
  place.options.input = place.folder / "in";
  fs::remove(place.options.output / "case3_probabilities.nii.gz");
  const PredictReport again = place.run();
  CHECK(again.done == 1);
  CHECK(again.skipped == 3);
  CHECK(again.failures == report.failures);
  CHECK(place.outputs() == together);
}

TEST_CASE("a case whose output another one writes waits for it") {
  Place place;
  place.image("a.nii", 1);
  place.image("a_uncertainty.nii", 2);
  place.options.probabilities = place.options.pictures = false;
  place.options.output = place.folder / "out";
  fs::create_directories(place.options.output);
  place.folder.write("out/a_uncertainty_uncertainty.nii.gz", "there");
  const PredictReport report = place.run();
  CHECK(report.done == 1);  // the map of `a` stands where the labels of `a_uncertainty` would
  CHECK(report.skipped == 1);
}

TEST_CASE("what cannot be written ends the run, though it is written behind") {
  Place place;
  for (int i = 0; i < 3; ++i) place.image(text("case", i, ".nii.gz"), i);
  fs::create_directories(place.options.output / "case0.nii.gz" / "in the way");
  place.options.overwrite = true;
  try {
    place.run();
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::filesystem);
    CHECK(std::string(error.what()).find("case0.nii.gz") != std::string::npos);
  }
  CHECK(place.progress.size() <= 2);
  CHECK(!fs::exists(place.options.output / "case1.nii.gz"));

  // Also where the output's name holds the input's.
  fs::current_path(place.folder.path());
  place.options.input = "case0.nii.gz";
  fs::copy_file(place.folder / "in/case0.nii.gz", place.folder / "case0.nii.gz");
  place.options.output = "out";
  const Caught near = caught([&] { place.run(); });
  CHECK(near.code == ExitCode::filesystem);
  fs::current_path("/");
  CHECK(!fs::exists(place.options.output / "case1.nii.gz"));
}

TEST_CASE("segmentations of other weights or settings are not taken for done") {
  Place place;
  for (int i = 0; i < 2; ++i) place.image(text("case", i, ".nii.gz"), i);
  REQUIRE(place.run().done == 2);
  const auto before = place.outputs();
  CHECK(place.run().skipped == 2);
  place.trained.config.inference.samples = 3;
  const Caught other = caught([&] { place.run(); });
  CHECK(other.code == ExitCode::usage);
  CHECK(other.message.find("predictions.json") != std::string::npos);
  CHECK(other.message.find("samples 2, now 3") != std::string::npos);
  CHECK(place.outputs() == before);

  place.options.overwrite = true;
  CHECK(place.run().done == 2);
  place.options.overwrite = false;
  CHECK(place.run().skipped == 2);

  // Weights: those of a checkpoint's files.
  TrainingState state = make_training_state(*place.backend, place.trained.config, 3);
  write_checkpoint(place.folder / "last", state.networks, nullptr, {});
  place.trained.checkpoint = place.folder / "last";
  CHECK(caught([&] { place.run(); }).message.find("(weights)") != std::string::npos);
  place.folder.write("out/predictions.json", "{");
  CHECK(caught([&] { place.run(); }).message.find("not readable") != std::string::npos);
  fs::remove_all(place.options.output);
  CHECK(place.run().done == 2);  // where nothing is there anything goes
}

TEST_CASE("evaluation: what cannot be read counts for itself, references without a prediction are named") {
  Place place;
  for (const char* folder : {"p", "r"}) fs::create_directories(place.folder / folder);
  const Triple size{4, 4, 4};
  const std::vector<std::uint8_t> labels(64, 2);
  const auto write = [&](const std::string& file) {
    write_image(place.folder / file, make_geometry(size, std::array{1.0, 1.0, 1.0}),
                std::span<const std::uint8_t>(labels));
  };
  for (const char* file : {"p/a.nii.gz", "r/a.nii.gz", "p/b.nii.gz", "r/c.nii.gz"}) write(file);
  place.folder.write("r/b.nii.gz", "no image");
  const EvaluationReport report = evaluate_cases(place.folder / "p", place.folder / "r", 0, {});
  CHECK(report.table.rows.size() == 2);
  REQUIRE(report.failures.size() == 1);
  CHECK(report.failures[0].find("b.nii.gz") != std::string::npos);
  CHECK(report.unmatched == std::vector<std::string>{"c"});
}

TEST_CASE("evaluation: distances are in mm, whatever the header counts in") {
  Place place;
  for (const char* folder : {"p", "r"}) fs::create_directories(place.folder / folder);
  const auto write = [&](const std::string& file, std::size_t voxel, int unit) {
    std::vector<std::uint8_t> labels(64, 0);
    labels[voxel] = 1;
    Geometry geometry = make_geometry({4, 4, 4}, std::array{3.0, 2.0, 0.5});
    geometry.stored.xyzt_units = unit;
    write_image(place.folder / file, geometry, std::span<const std::uint8_t>(labels));
  };
  const std::pair<int, double> units[] = {
      {1, 1500.0}, {2, 1.5}, {3, 0.0015}, {0, 1.5}};  // m, mm, um, unknown
  for (const auto& [unit, expected] : units) {
    write("p/a.nii", 0, unit);
    write("r/a.nii", 3, unit);  // three voxels along W
    const EvaluationReport report = evaluate_cases(place.folder / "p", place.folder / "r", 2, {});
    REQUIRE(report.failures.empty());
    CHECK(report.table.rows.at(0).metrics.hd95.value() == doctest::Approx(expected).epsilon(1e-6));
  }
}

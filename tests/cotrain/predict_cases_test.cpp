// Reading ahead and writing behind leave results, messages and their order as they are one case at a time.
#include "cotrain/predict/predict_cases.h"

#include <map>

#include "cotrain/metrics/components.h"
#include "cotrain/predict/segment.h"
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
  // Cut off when it comes to the case `until`.
  PredictReport run(const std::string& until = {}) {
    progress.clear();
    return predict_cases(*backend, trained, options, [&](Index done, Index total, const std::string& id) {
      if (id == until) throw Error(ExitCode::interrupted, "cut off");
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
  CHECK(together.size() == 4 * 4 + 1);  // and predictions.jsonl

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

TEST_CASE("a file that two cases would write, or that is an image to read: refused before any work") {
  Place place;
  place.image("a.nii", 1);
  place.image("a_uncertainty.nii.gz", 2);
  const Caught twice = caught([&] { place.run(); });
  CHECK(twice.code == ExitCode::usage);
  CHECK(twice.message.find("a_uncertainty.nii.gz would also be an output of case a,") != std::string::npos);
  CHECK(place.outputs().empty());
  const std::string image = contents_of(place.options.input / "a_uncertainty.nii.gz");
  place.options.overwrite = true;
  place.options.output = place.options.input;
  const Caught onto = caught([&] { place.run(); });
  CHECK(onto.code == ExitCode::usage);
  CHECK(onto.message.find("would replace the input") != std::string::npos);
  CHECK(contents_of(place.options.input / "a_uncertainty.nii.gz") == image);
}

TEST_CASE("files that something else wrote are not replaced, unless that is asked for") {
  Place place;
  for (int i = 0; i < 2; ++i) place.image(text("case", i, ".nii.gz"), i);
  place.folder.write("out/case1.nii.gz", "drawn by hand");
  const Caught there = caught([&] { place.run(); });
  CHECK(there.code == ExitCode::usage);
  CHECK(there.message.find("case1.nii.gz: is there, of unknown origin") != std::string::npos);
  CHECK(place.outputs().size() == 1);
  CHECK(contents_of(place.options.output / "case1.nii.gz") == "drawn by hand");
  place.options.overwrite = true;
  CHECK(place.run().done == 2);
  // Until it is written it may be the other one's.
  const std::string note = contents_of(place.options.output / "predictions.jsonl");
  CHECK(note.find(R"({"case":"case1","made_with":null})") < note.find(R"({"case":"case1","made_with":{)"));
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
  CHECK(other.message.find("predictions.jsonl") != std::string::npos);
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
  place.folder.write("out/predictions.jsonl", "{\"case\": \"case0\", ");
  CHECK(caught([&] { place.run(); }).message.find("of unknown origin") != std::string::npos);
  fs::remove_all(place.options.output);
  CHECK(place.run().done == 2);  // where nothing is there anything goes
}

TEST_CASE("files left of another network are not taken for what a call that wrote fewer of them made") {
  Place place;
  place.image("case0.nii.gz", 0);
  REQUIRE(place.run().done == 1);
  const auto before = place.outputs();
  place.trained.config.inference.samples = 3;  // as another network's map would be another one
  place.options.overwrite = true;
  place.options.uncertainty = place.options.probabilities = place.options.pictures = false;
  REQUIRE(place.run().done == 1);
  place.options.overwrite = false;
  CHECK(place.run().skipped == 1);
  place.options.uncertainty = true;
  const Caught left = caught([&] { place.run(); });
  CHECK(left.code == ExitCode::usage);
  CHECK(left.message.find("case0_uncertainty.nii.gz: is there, of unknown origin") != std::string::npos);
  CHECK(place.outputs().at("case0_uncertainty.nii.gz") == before.at("case0_uncertainty.nii.gz"));
  // One that is not there is made beside what is.
  fs::remove(place.options.output / "case0_uncertainty.nii.gz");
  CHECK(place.run().done == 1);
  CHECK(place.run().skipped == 1);
}

TEST_CASE("overwriting that is cut off, or of some cases, leaves it known what each was made with") {
  Place place;
  for (int i = 0; i < 3; ++i) place.image(text("case", i, ".nii.gz"), i);
  REQUIRE(place.run().done == 3);
  place.trained.config.inference.samples = 3;
  place.options.overwrite = true;
  CHECK(caught([&] { place.run("case2"); }).code == ExitCode::interrupted);
  place.options.overwrite = false;
  const std::string both = caught([&] { place.run(); }).message;
  CHECK(both.find("case2.nii.gz: is there, made with other values (samples 2, now 3)") != std::string::npos);

  place.options.overwrite = true;
  place.options.input = place.folder / "in/case2.nii.gz";
  CHECK(place.run().done == 1);
  place.options.overwrite = false;
  place.options.input = place.folder / "in";
  CHECK(place.run().skipped == 3);

  // Killed while it wrote a case: between two lines, or in the middle of one.
  const fs::path note = place.options.output / "predictions.jsonl";
  const std::string whole = contents_of(note);
  place.folder.write("out/predictions.jsonl", whole + R"({"case": "case1", "made_with": null})" + "\n");
  CHECK(caught([&] {
          place.run();
        }).message.find("case1.nii.gz: is there, of unknown origin, as --overwrite") != std::string::npos);
  place.folder.write("out/predictions.jsonl", whole + R"({"case": "case1", "made_w)");
  CHECK(place.run().skipped == 3);
  fs::remove(place.options.output / "case0.nii.gz");
  CHECK(place.run().done == 1);  // appends after the line that was cut off
  CHECK(place.run().skipped == 3);
}

TEST_CASE("another image of the same name is not taken for segmented") {
  Place place;
  place.image("case0.nii.gz", 0);
  REQUIRE(place.run().done == 1);
  place.image("case0.nii.gz", 1);
  CHECK(caught([&] { place.run(); }).message.find("made with other values (image)") != std::string::npos);
  // In a pair the header says nothing of the voxels.
  Place pair;
  pair.image("case0.hdr", 0);
  REQUIRE(pair.run().done == 1);
  CHECK(pair.run().skipped == 1);
  pair.image("case0.hdr", 1);
  CHECK(caught([&] { pair.run(); }).message.find("made with other values (voxels)") != std::string::npos);
}

TEST_CASE("names are images' whatever their case") {
  Place place;
  place.image("a.nii.gz", 0);
  place.image("b.nii.gz", 1);
  fs::rename(place.options.input / "b.nii.gz", place.options.input / "b.NII.GZ");
  CHECK(place.run().done == 2);
  CHECK(fs::exists(place.options.output / "b.nii.gz"));
}

TEST_CASE("the largest piece of each class is kept wherever a volume is segmented") {
  Place place;
  const Triple size{16, 16, 16};
  std::vector<float> image(16 * 16 * 16);
  for (std::size_t i = 0; i < image.size(); ++i) image[i] = static_cast<float>(i * 31 % 7) - 3;
  WindowConfig windows = window_config(place.trained.config);
  windows.each_network = true;
  const auto segment = [&] {
    return segment_volume(*place.backend, place.trained.networks, image, {size, {0, 0, 0}, size}, windows);
  };
  Segmentation all = segment();
  CHECK(largest_component(all.labels, size, 3) > 0);  // of networks that know nothing there are many
  place.trained.config.inference.largest_component = true;
  windows.largest_component = window_config(place.trained.config).largest_component;
  Segmentation largest = segment();
  CHECK(largest.labels == all.labels);
  REQUIRE(largest.networks.size() == 2);
  for (auto& labels : largest.networks) CHECK(largest_component(labels, size, 3) == 0);
}

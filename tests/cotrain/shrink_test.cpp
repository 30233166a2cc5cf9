// data.shrink: cases on the reduced grid, the key in a config, and that [1, 1, 1] changes no byte.
#include "io/dataset/shrink.h"

#include <algorithm>
#include <fstream>

#include "cotrain/config/suggest.h"
#include "engine/core/philox.h"
#include "io/nifti/write.h"
#include "tests/cotrain/small_run.h"
#include "tests/io/temporary_folder.h"

using namespace duet;
using namespace duet::testing;

namespace {

// i runs to the left, so that reading turns it: (D, H, W) = (5, 6, 7), of 2 x 1 x 0.5 mm.
Geometry turned_geometry() {
  Affine affine;
  affine.m = {{{-0.5, 0, 0, 30}, {0, 1, 0, -7}, {0, 0, 2, 11}, {0, 0, 0, 1}}};
  return make_geometry({5, 6, 7}, affine);
}

Case written_case(const TemporaryFolder& folder, const std::string& id) {
  const Geometry geometry = turned_geometry();
  std::vector<float> image;
  std::vector<std::uint8_t> labels;
  for (std::uint64_t v = 0; v < 210; ++v) {
    image.push_back(100 * draw_uniform({}, 1, v));
    labels.push_back(static_cast<std::uint8_t>(3 * draw_uniform({}, 2, v)));
  }
  Case each;
  each.id = id;
  each.image = folder / (id + ".nii.gz");
  each.label = folder / (id + "_label.nii.gz");
  write_image(each.image, geometry, image);
  write_image(each.label, geometry, labels);
  return each;
}

DataConfig data_config(const Triple& patch, const Triple& shrink) {
  DataConfig config;
  config.patch = patch;
  config.shrink = shrink;
  return config;
}

std::vector<std::string> config_errors(const std::vector<std::string>& sets) {
  ConfigErrors errors;
  to_run_config(read_config("", sets, run_schema(), errors), errors);
  return errors.lines();
}

}  // namespace

TEST_CASE("a case is turned, taken together in blocks, z-scored and padded, in this order") {
  const TemporaryFolder folder;
  const Case from = written_case(folder, "a");
  const LoadedCase found = load_case(from, 3, data_config({4, 2, 2}, {2, 3, 2}));
  CHECK(found.frame == PadFrame{{4, 2, 4}, {0, 0, 0}, {3, 2, 4}});
  CHECK(found.geometry.size == Triple{3, 2, 4});
  CHECK(found.geometry.spacing == std::array<double, 3>{4, 3, 1});
  // The middle of the first block: voxels 6 and 5 along the stored i, 0 to 2 along j, 0 and 1 along k.
  const Affine& affine = found.geometry.affine;
  CHECK(affine.m[0][3] == doctest::Approx(30 - 0.5 * 5.5));
  CHECK(affine.m[1][3] == doctest::Approx(-7 + 1));
  CHECK(affine.m[2][3] == doctest::Approx(11 + 1));
  CHECK(axis_codes(affine) == "RAS");

  const Image image = read_image(from.image, {true}), label = read_image(from.label, {true});
  const Blocks blocks{{5, 6, 7}, {2, 3, 2}};
  std::vector<float> values = block_means(image.data, blocks);
  zscore(values);
  CHECK(found.image == pad(values, found.frame));
  CHECK(found.labels == pad(block_majorities(labels_of(label, 3), blocks), found.frame));
  REQUIRE(found.foreground.size() == 2);
  for (std::size_t c = 0; c < 2; ++c) {
    CHECK(static_cast<std::ptrdiff_t>(found.foreground[c].size()) ==
          std::count(found.labels.begin(), found.labels.end(), c + 1));
    for (const std::uint32_t v : found.foreground[c]) CHECK(found.labels[v] == c + 1);
  }
}

TEST_CASE("blocks of one voxel: the image as read, z-scored and padded, byte for byte") {
  const TemporaryFolder folder;
  const Case from = written_case(folder, "a");
  const LoadedCase found = load_case(from, 3, data_config({8, 8, 8}, {1, 1, 1}));
  Image image = read_image(from.image, {true});
  CHECK((found.geometry.affine == image.affine && found.geometry.spacing == image.spacing));
  CHECK((found.geometry.stored == image.geometry.stored && found.geometry.size == image.size));
  zscore(image.data);
  CHECK(found.frame == pad_frame({5, 6, 7}, {8, 8, 8}));
  CHECK(found.image == pad(image.data, found.frame));
  CHECK(found.labels == pad(labels_of(read_image(from.label, {true}), 3), found.frame));
}

TEST_CASE(
    "image and label are compared before either is shrunk, values are checked before they are averaged") {
  const TemporaryFolder folder;
  Case from = written_case(folder, "a");
  const DataConfig config = data_config({2, 2, 2}, {2, 2, 2});
  // 7 and 8 voxels make 4 blocks.
  write_image(from.label, make_geometry({5, 6, 8}, std::array<double, 3>{2, 1, 0.5}),
              std::vector<std::uint8_t>(240));
  expect_error(caught([&] { load_case(from, 3, config); }), ExitCode::data, {"case a", "(5,6,7)", "(5,6,8)"});
  std::vector<std::uint8_t> labels(210);
  labels[17] = 3;  // alone in its block
  write_image(from.label, turned_geometry(), labels);
  expect_error(caught([&] { load_case(from, 3, config); }), ExitCode::data, {"a_label.nii.gz", "3"});
}

TEST_CASE("data and validation of a run are on the reduced grid") {
  const TemporaryFolder folder;
  std::string entries;
  for (const std::string id : {"a", "b", "c", "d"}) {
    written_case(folder, id);
    entries += text(entries.empty() ? "" : ", ", R"({"image": "./)", id, R"(.nii.gz", "label": "./)", id,
                    R"(_label.nii.gz"})");
  }
  RunConfig config = small_config("udct");
  config.data = data_config({4, 4, 4}, {2, 2, 1});
  config.data.labelled = 1;
  config.data.validation = 1;
  config.model.depth = 2;
  config.data.dataset =
      folder
          .write("dataset.json", text(R"({"modality": {"0": "MRI"}, "labels": {"0": "background",
    "1": "one", "2": "two"}, "training": [)",
                                      entries, "]}"))
          .string();
  const TrainingData data = load_training_data(config, nullptr, {});
  REQUIRE((data.labelled.size() == 1 && data.validation.size() == 1 && data.unlabelled.size() == 2));
  for (const auto* list : {&data.labelled, &data.validation, &data.unlabelled}) {
    for (const LoadedCase& each : *list) {
      CHECK(each.frame == pad_frame({3, 3, 7}, {4, 4, 4}));
      CHECK(each.geometry.spacing == std::array<double, 3>{4, 2, 0.5});
    }
  }
  const auto backend = make_default_backend();
  const TrainingState state = make_training_state(*backend, config, 3);
  const ValidationScore score = validate(*backend, state.networks, data.validation, 3, window_config(config));
  CHECK(score.dice.size() == 3);
}

TEST_CASE("the key: its default, its bounds, what a suggestion has") {
  ConfigErrors none;
  const ConfigValues plain = read_config("", {"data.dataset=x"}, run_schema(), none);
  CHECK(to_run_config(plain, none).data.shrink == Triple{1, 1, 1});
  const ConfigValues set = read_config("", {"data.dataset=x", "data.shrink=[1,2,8]"}, run_schema(), none);
  CHECK(to_run_config(set, none).data.shrink == Triple{1, 2, 8});
  CHECK(none.empty());
  for (const std::string wrong : {"[0,1,1]", "[1,1,9]", "[2,2]", "2", "[1.5,1,1]", "[\"2\",2,2]"}) {
    INFO(wrong);
    const auto errors = config_errors({"data.dataset=x", "data.shrink=" + wrong});
    REQUIRE(errors.size() == 1);
    CHECK(errors[0].find("data.shrink") != std::string::npos);
  }

  const TemporaryFolder folder;
  written_case(folder, "a");
  const auto dataset =
      folder.write("dataset.json", R"({"modality": {"0": "MRI"}, "labels": {"0": "background",
    "1": "one"}, "training": [{"image": "./a.nii.gz", "label": "./a_label.nii.gz"}]})");
  CHECK(suggest_config(dataset, 1 << 20).get_triple("data.shrink") == Triple{1, 1, 1});
}

TEST_CASE("the configs that come with Duet are configs") {
  for (const auto& entry : std::filesystem::directory_iterator(DUET_SOURCE_DIR "/configs")) {
    if (entry.path().extension() != ".json") continue;
    INFO(entry.path());
    ConfigErrors errors;
    const ConfigValues values = read_config(entry.path(), {"data.dataset=x"}, run_schema(), errors);
    const RunConfig config = to_run_config(values, errors);
    CHECK(errors.lines() == std::vector<std::string>{});
    const bool half = entry.path().stem() == "left_atrium_half";
    CHECK(config.data.shrink == (half ? Triple{2, 2, 2} : Triple{1, 1, 1}));
  }
}

// From the reduced grid back onto the image's own: the resampling against its definition, a segmentation
// against whole volumes, and files against the images that they belong to.
#include "cotrain/predict/enlarge.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "cotrain/predict/predict_cases.h"
#include "cotrain/predict/segment.h"
#include "engine/core/parallel.h"
#include "io/nifti/write.h"
#include "io/pictures/overlay.h"
#include "tests/cotrain/small_run.h"
#include "tests/io/temporary_folder.h"

using namespace duet;
using namespace duet::testing;

namespace {

Index product(const Triple& t) { return t[0] * t[1] * t[2]; }

// By planes, as segment.cpp does; `step`: values between the rows of a plane.
std::vector<float> enlarged(const std::vector<float>& reduced, const Blocks& blocks, Index channels,
                            Index step) {
  const Triple count = blocks.count(), &size = blocks.size;
  std::vector<float> whole(static_cast<std::size_t>(product(size) * channels), -1.0f);
  Enlarger enlarger(blocks, channels);
  std::vector<float> plane(static_cast<std::size_t>(count[1] * step), 1e30f);
  Index before = 0;
  for (Index d = 0; d < count[0]; ++d) {
    for (Index h = 0; h < count[1]; ++h) {
      std::copy_n(reduced.data() + (d * count[1] + h) * count[2] * channels, count[2] * channels,
                  plane.data() + h * step);
    }
    add_plane(enlarger, plane.data(), step, [&](const float* values, Index first) {
      std::copy_n(values, size[2] * channels, whole.data() + first * channels);
    });
    CHECK(enlarger.done >= before);
    before = enlarger.done;
    CHECK(enlarger.before.size() + enlarger.last.size() <=
          static_cast<std::size_t>(2 * count[1] * count[2] * channels));
  }
  CHECK(enlarger.done == size[0]);
  CHECK_THROWS_AS(add_plane(enlarger, plane.data(), step, [](const float*, Index) {}), EngineError);
  return whole;
}

// The definition, voxel by voxel in double.
std::vector<double> by_voxel(const std::vector<float>& reduced, const Blocks& blocks, Index channels) {
  const Triple count = blocks.count(), &size = blocks.size;
  std::vector<double> whole;
  for (Index v = 0; v < product(size); ++v) {
    const Triple at{v / (size[1] * size[2]), v / size[2] % size[1], v % size[2]};
    Triple low{}, high{};
    std::array<double, 3> weight{};
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const double place =
          std::clamp((static_cast<double>(at[axis]) + 0.5) / static_cast<double>(blocks.block[axis]) - 0.5,
                     0.0, static_cast<double>(count[axis] - 1));
      low[axis] = static_cast<Index>(place);
      high[axis] = std::min(low[axis] + 1, count[axis] - 1);
      weight[axis] = place - static_cast<double>(low[axis]);
    }
    for (Index c = 0; c < channels; ++c) {
      double sum = 0;
      for (int corner = 0; corner < 8; ++corner) {
        double share = 1;
        Triple from{};
        for (std::size_t axis = 0; axis < 3; ++axis) {
          const bool upper = corner >> axis & 1;
          from[axis] = upper ? high[axis] : low[axis];
          share *= upper ? weight[axis] : 1 - weight[axis];
        }
        sum += share * reduced[static_cast<std::size_t>(
                           ((from[0] * count[1] + from[1]) * count[2] + from[2]) * channels + c)];
      }
      whole.push_back(sum);
    }
  }
  return whole;
}

std::vector<float> as_floats(const std::vector<double>& values) { return {values.begin(), values.end()}; }

struct Small {
  std::unique_ptr<Backend> backend = make_default_backend();
  TrainedNetworks trained;

  explicit Small(const Triple& shrink) {
    trained.config = small_config("udct");
    trained.config.data.patch = {8, 8, 8};
    trained.config.data.shrink = shrink;
    trained.config.model.depth = 2;
    trained.config.inference.samples = 2;
    trained.classes = 3;
    trained.networks = make_training_state(*backend, trained.config, 3).networks;
  }
};

std::vector<float> waves(const Triple& size) {
  std::vector<float> values(static_cast<std::size_t>(product(size)));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] =
        static_cast<float>(std::sin(0.1 * static_cast<double>(i)) + std::cos(0.013 * static_cast<double>(i)));
  }
  return values;
}

}  // namespace

TEST_CASE("places between blocks by hand") {
  const auto places = [](Index size, Index block) {
    std::vector<double> found;
    for (const Between& each : between_blocks(size, block)) {
      CHECK((each.high == each.low || each.high == each.low + 1));
      found.push_back(static_cast<double>(each.low) + each.weight);
    }
    return found;
  };
  CHECK(places(5, 1) == std::vector<double>{0, 1, 2, 3, 4});
  CHECK(places(5, 2) ==
        std::vector<double>{0, 0.25, 0.75, 1.25, 1.75});  // the third block's centre is at 4.5
  CHECK(places(4, 2) == std::vector<double>{0, 0.25, 0.75, 1});
  CHECK(places(1, 8) == std::vector<double>{0});
  const auto thirds = places(7, 3);
  const double expected[] = {0, 0, 1.0 / 3, 2.0 / 3, 1, 4.0 / 3, 5.0 / 3};
  REQUIRE(thirds.size() == 7);
  for (std::size_t i = 0; i < 7; ++i) CHECK(thirds[i] == doctest::Approx(expected[i]));
}

TEST_CASE("every voxel is made once, as the definition has it, on any number of threads") {
  struct Row {
    Triple size, block;
    Index channels;
  };
  const int before = max_threads();
  for (const Row& row :
       {Row{{5, 7, 9}, {2, 2, 2}, 3}, Row{{8, 6, 4}, {2, 3, 4}, 2}, Row{{1, 9, 40}, {1, 3, 8}, 1},
        Row{{17, 3, 5}, {8, 5, 1}, 4}, Row{{3, 2, 1}, {8, 8, 8}, 2}, Row{{6, 5, 4}, {1, 1, 1}, 2}}) {
    const Blocks blocks{row.size, row.block};
    const Triple count = blocks.count();
    std::vector<float> reduced = waves({count[0], count[1], count[2] * row.channels});
    const std::vector<double> expected = by_voxel(reduced, blocks, row.channels);
    for (const int threads : {1, 3}) {
      set_threads(threads);
      const auto found = enlarged(reduced, blocks, row.channels, count[2] * row.channels + 5);
      REQUIRE(found.size() == expected.size());
      double most = 0;
      for (std::size_t i = 0; i < found.size(); ++i) most = std::max(most, std::abs(found[i] - expected[i]));
      CHECK(most < 1e-6);
      if (blocks.whole()) CHECK(found == reduced);
    }
  }
  set_threads(before);
}

TEST_CASE("what is 1 everywhere stays 1, and what is linear in millimetres stays linear") {
  const Blocks blocks{{9, 10, 12}, {3, 2, 4}};
  for (const float u : enlarged(std::vector<float>(45, 1.0f), blocks, 1, 3)) CHECK(u == 1.0f);
  std::vector<float> values;
  const auto at = [](Index d, Index h, Index w) { return static_cast<float>(d - 2 * h + 3 * w); };
  for (Index v = 0; v < 1080; ++v) values.push_back(at(v / 120, v / 12 % 10, v % 12));
  const auto back = enlarged(block_means(values, blocks), blocks, 1, 3);
  for (Index d = 1; d < 8; ++d) {  // inside the outermost centres
    for (Index h = 1; h < 9; ++h) {
      for (Index w = 2; w < 10; ++w) {
        CHECK(back[static_cast<std::size_t>((d * 10 + h) * 12 + w)] ==
              doctest::Approx(at(d, h, w)).epsilon(1e-5));
      }
    }
  }
}

TEST_CASE("a segmentation on the image's own grid is that of the enlarged probabilities") {
  const Small s({1, 1, 1});
  const PadFrame frame{{20, 18, 13}, {1, 2, 0}, {17, 15, 12}};
  const std::vector<float> image = waves(frame.size);
  WindowConfig windows = window_config(s.trained.config);
  windows.samples = 2;
  windows.each_network = true;
  const VolumePrediction whole = predict_volume(*s.backend, s.trained.networks, image, frame.size, windows);
  const Blocks blocks{{34, 44, 12}, {2, 3, 1}};
  const Segmentation found =
      segment_volume(*s.backend, s.trained.networks, image, frame, windows, true, blocks);
  const auto own = [&](const std::vector<float>& map, Index channels) {
    return enlarged(crop(map, frame, channels), blocks, channels, 12 * channels);
  };
  const std::vector<float> mean = own(whole.mean, 3);
  CHECK(found.labels == argmax_classes(mean, 3));
  REQUIRE(found.networks.size() == 2);
  for (std::size_t i = 0; i < 2; ++i)
    CHECK(found.networks[i] == argmax_classes(own(whole.networks[i], 3), 3));
  CHECK(found.uncertainty == own(whole.uncertainty, 1));
  const std::size_t voxels = found.labels.size();
  REQUIRE(found.probabilities.size() == 3 * voxels);
  for (std::size_t v = 0; v < voxels; ++v) {
    for (std::size_t c = 0; c < 3; ++c) REQUIRE(found.probabilities[c * voxels + v] == mean[3 * v + c]);
  }
  // Blocks of one voxel: the very same bytes.
  const auto plain = segment_volume(*s.backend, s.trained.networks, image, frame, windows, true);
  const auto same = segment_volume(*s.backend, s.trained.networks, image, frame, windows, true,
                                   Blocks{frame.extent, {1, 1, 1}});
  CHECK((plain.labels == same.labels && plain.networks == same.networks));
  CHECK((plain.uncertainty == same.uncertainty && plain.probabilities == same.probabilities));
  CHECK_THROWS_AS(segment_volume(*s.backend, s.trained.networks, image, frame, windows, false,
                                 Blocks{{17, 15, 12}, {2, 1, 1}}),
                  EngineError);
}

TEST_CASE("predict gives its results back on the image's own grid, the picture on the image itself") {
  const Small s({2, 1, 3});
  const TemporaryFolder folder;
  Affine affine;
  affine.m = {{{0, 0, -2, 9}, {1.5, 0, 0, -4}, {0, 1, 0, 3}, {0, 0, 0, 1}}};  // ASL, so that axes are turned
  const Geometry geometry = make_geometry({11, 19, 21}, affine);
  std::filesystem::create_directories(folder / "in");
  write_image(folder / "in" / "a.nii.gz", geometry, std::span<const float>(waves(geometry.size)));
  PredictOptions options;
  options.input = folder / "in";
  options.output = folder / "out";
  options.uncertainty = options.probabilities = options.pictures = true;
  const auto nothing = [](Index, Index, const std::string&) {};
  const PredictReport report = predict_cases(*s.backend, s.trained, options, nothing);
  CHECK(report.failures == std::vector<std::string>{});
  REQUIRE(report.done == 1);

  const Image image = read_image(folder / "in" / "a.nii.gz", {true});
  const Image label = read_image(folder / "out" / "a.nii.gz", {true});
  const Image map = read_image(folder / "out" / "a_uncertainty.nii.gz", {true});
  const Image probabilities = read_image(folder / "out" / "a_probabilities.nii.gz", {true});
  for (const Image* each : {&label, &map, &probabilities}) {
    CHECK(each->geometry.stored.dim[1] == 21);
    CHECK(!geometry_difference(each->geometry, image.geometry));
  }
  const std::size_t voxels = 11 * 19 * 21;
  REQUIRE(probabilities.data.size() == 3 * voxels);
  std::vector<float> last(3 * voxels);
  for (std::size_t v = 0; v < voxels; ++v) {
    for (std::size_t c = 0; c < 3; ++c) last[3 * v + c] = probabilities.data[c * voxels + v];
    CHECK(last[3 * v] + last[3 * v + 1] + last[3 * v + 2] == doctest::Approx(1.0).epsilon(1e-5));
  }
  const std::vector<std::uint8_t> labels = labels_of(label, 3);
  CHECK(labels == argmax_classes(last, 3));

  const std::vector<float> reduced = block_means(image.data, {image.size, {2, 1, 3}});
  CHECK(as_floats(by_voxel(reduced, {image.size, {2, 1, 3}}, 1)) !=
        image.data);  // so a picture of it would differ
  write_png(folder / "expected.png",
            overlay_planes({image.size, image.spacing, image.data, labels, map.data, 1.0}));
  CHECK(contents_of(folder / "out" / "a.png") == contents_of(folder / "expected.png"));
}

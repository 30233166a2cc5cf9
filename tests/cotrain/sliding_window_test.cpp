#include "cotrain/predict/sliding_window.h"

#include <cmath>

#include "cotrain/predict/segment.h"
#include "engine/autograd/node.h"
#include "engine/core/parallel.h"
#include "engine/ops/loss.h"
#include "tests/cotrain/small_run.h"

using namespace duet;
using namespace duet::testing;

namespace {

struct Setup {
  std::unique_ptr<Backend> backend;
  TrainingState state;
  Triple size;
  std::vector<float> image;
  WindowConfig windows;

  Setup(const std::string& backend_name, const Triple& volume, const Triple& patch, Index classes = 3)
      : backend(make_backend(backend_name)), size(volume) {
    RunConfig config = small_config("udct");
    config.data.patch = patch;
    config.model.depth = 2;
    config.model.dimensions = patch[0] == 1 ? 2 : 3;
    state = make_training_state(*backend, config, classes);
    image.resize(static_cast<std::size_t>(size[0] * size[1] * size[2]));
    for (std::size_t i = 0; i < image.size(); ++i) {
      image[i] = static_cast<float>(std::sin(0.1 * static_cast<double>(i)) +
                                    std::cos(0.013 * static_cast<double>(i)));
    }
    windows = window_config(config);
    windows.samples = 2;
    windows.each_network = true;
  }
  VolumePrediction predict() const { return predict_volume(*backend, state.networks, image, size, windows); }
};

// The definition: one window at a time, whole volumes of sums, in double.
VolumePrediction one_by_one(const Setup& s) {
  const NoGrad no_grad;
  const Triple &p = s.windows.patch, &size = s.size;
  const std::size_t voxels = s.image.size(), classes = 3;
  const std::vector<float> weights = window_weights(p);
  std::vector<double> total(voxels), mean(voxels * classes), map(voxels);
  std::vector<std::vector<double>> each(2, mean);
  Index number = 0;
  for (Index d : window_corners(size[0], p[0], s.windows.overlap, s.windows.stride[0])) {
    for (Index h : window_corners(size[1], p[1], s.windows.overlap, s.windows.stride[1])) {
      for (Index w : window_corners(size[2], p[2], s.windows.overlap, s.windows.stride[2])) {
        std::vector<std::size_t> at;  // voxel of the volume for each of the window
        for (Index i = 0; i < p[0]; ++i) {
          for (Index j = 0; j < p[1]; ++j) {
            for (Index k = 0; k < p[2]; ++k) {
              at.push_back(static_cast<std::size_t>(((d + i) * size[1] + h + j) * size[2] + w + k));
            }
          }
        }
        std::vector<float> window(at.size());
        for (std::size_t v = 0; v < at.size(); ++v) window[v] = s.image[at[v]];
        const Tensor x = s.backend->empty({1, p[0], p[1], p[2], 1}, DType::f32);
        x.copy_from(window.data());
        ForwardContext context{*s.backend};
        context.seed = s.windows.seed;
        context.first_sample = number++;
        SampleAccumulator samples(*s.backend, {1, p[0], p[1], p[2], 3}, DType::f32);
        for (std::size_t n = 0; n < 2; ++n) {
          context.network = static_cast<std::uint32_t>(n);
          const Encoding encoding = s.state.networks[n]->encode(context, Var::constant(x));
          const std::vector<double> y =
              to_values(softmax(*s.backend, s.state.networks[n]->decode(context, encoding)).value());
          for (std::size_t v = 0; v < at.size(); ++v) {
            for (std::size_t c = 0; c < classes; ++c) {
              const double added = static_cast<double>(weights[v]) * y[v * classes + c];
              each[n][at[v] * classes + c] += added;
              mean[at[v] * classes + c] += added / 2;
            }
          }
          add_samples(samples, *s.state.networks[n], context, encoding, {2, 1, s.windows.kind});
        }
        const std::vector<double> u = to_values(samples.finish(s.windows.kind).uncertainty);
        for (std::size_t v = 0; v < at.size(); ++v) {
          map[at[v]] += static_cast<double>(weights[v]) * u[v];
          total[at[v]] += static_cast<double>(weights[v]);
        }
      }
    }
  }
  auto averaged = [&](const std::vector<double>& sums, std::size_t channels) {
    std::vector<float> values(sums.size());
    for (std::size_t i = 0; i < sums.size(); ++i)
      values[i] = static_cast<float>(sums[i] / total[i / channels]);
    return values;
  };
  return {
      averaged(mean, classes), {averaged(each[0], classes), averaged(each[1], classes)}, averaged(map, 1)};
}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    worst = difference <= worst ? worst : difference;  // NaN counts
  }
  return worst;
}

double distance(const VolumePrediction& a, const VolumePrediction& b) {
  REQUIRE(a.networks.size() == b.networks.size());
  double worst = std::max(distance(a.mean, b.mean), distance(a.uncertainty, b.uncertainty));
  for (std::size_t i = 0; i < a.networks.size(); ++i) {
    worst = std::max(worst, distance(a.networks[i], b.networks[i]));
  }
  return worst;
}

struct Volume {
  Triple size, patch, stride;
};

// Several windows along each axis; as small as the patch; explicit strides; slices of a 2D network.
const std::vector<Volume> kVolumes = {{{20, 18, 13}, {8, 8, 8}, {}},
                                      {{8, 8, 8}, {8, 8, 8}, {}},
                                      {{21, 12, 11}, {8, 8, 8}, {2, 4, 0}},
                                      {{11, 12, 8}, {1, 8, 8}, {}}};

// How far another batch may be from windows one by one. A GPU's convolutions are planned by shape, so that
// another batch may have other kernels, with sums in another order: the rounding of a network, not of one
// sum.
double bound_of(const std::string& backend) {
  return backend == "ref" ? 0.0 : backend == "cuda" ? 5e-6 : 1e-6;
}

}  // namespace

TEST_CASE("slabs and batches give the average over windows one at a time, for any batch and threads") {
  const int threads = max_threads();
  for (const std::string& name : backend_names()) {
    for (const Volume& volume : kVolumes) {
      Setup s(name, volume.size, volume.patch);
      s.windows.stride = volume.stride;
      INFO(name, ", volume ", volume.size[0], ' ', volume.size[1], ' ', volume.size[2]);
      s.windows.batch = 1;
      const VolumePrediction single = s.predict();
      CHECK(distance(single, one_by_one(s)) < 1e-6);
      CHECK(*std::max_element(single.uncertainty.begin(), single.uncertainty.end()) > 1e-3f);
      for (Index batch : {2, 3, 8, 0}) {
        s.windows.batch = batch;
        for (int count : {1, 2, 3}) {
          set_threads(count);
          const double difference = distance(s.predict(), single);
          set_threads(threads);
          INFO("batch ", batch, ", threads ", count);
          CHECK(difference <= bound_of(name));
        }
      }
    }
  }
}

TEST_CASE("passes folded into a batch, as they are where nobody says how many, give the passes one by one") {
  for (const std::string& name : backend_names()) {
    Setup s(name, {12, 13, 9}, {8, 8, 8});
    s.windows.samples = 6;
    s.windows.fold = 1;
    const VolumePrediction one = s.predict();
    CHECK(window_fold(s.windows.patch, 8, 6) == 6);
    for (Index fold : {0, 2, 3, 6}) {
      s.windows.fold = fold;
      INFO(name, ", fold ", fold);
      CHECK(distance(s.predict(), one) <= (name == "ref" ? 0.0 : 1e-6));
    }
  }
}

TEST_CASE("every voxel comes once, in order; probabilities sum to 1; maps lie in [0, 1]") {
  for (const Volume& volume : kVolumes) {
    const Setup s(backend_names().front(), volume.size, volume.patch);
    const auto plane = static_cast<std::size_t>(s.size[1] * s.size[2]);
    Index next = 0;
    const WindowStats stats =
        predict_slabs(*s.backend, s.state.networks, s.image, s.size, s.windows, [&](const Slab& slab) {
          CHECK(slab.first == next);
          CHECK(slab.count >= 1);
          next += slab.count;
          const std::size_t voxels = static_cast<std::size_t>(slab.count) * plane;
          REQUIRE(slab.mean.size() == 3 * voxels);
          REQUIRE(slab.uncertainty.size() == voxels);
          REQUIRE(slab.networks.size() == 2);
          for (std::size_t v = 0; v < voxels; ++v) {
            REQUIRE(slab.mean[3 * v] + slab.mean[3 * v + 1] + slab.mean[3 * v + 2] ==
                    doctest::Approx(1.0).epsilon(1e-5));
            REQUIRE((slab.uncertainty[v] >= 0.0f && slab.uncertainty[v] <= 1.0f));
          }
        });
    CHECK(next == s.size[0]);
    CHECK(stats.windows >= stats.batches);
  }
}

TEST_CASE("memory: sums of one slab whatever the depth, and they alone grow with the classes") {
  std::vector<std::size_t> peaks;
  for (Index depth : {24, 96}) {
    Setup s(backend_names().front(), {depth, 16, 16}, {8, 8, 8}, 8);
    s.windows.each_network = false;
    auto run = [&] {
      return predict_slabs(*s.backend, s.state.networks, s.image, s.size, s.windows, [](const Slab&) {});
    };
    run();
    s.backend->memory->reset_peak();
    const WindowStats stats = run();
    peaks.push_back(s.backend->memory->counters().peak_bytes);
    CHECK(stats.planes == 8);
    CHECK(stats.accumulator_bytes == 8 * 16 * 16 * (8 + 2) * sizeof(float));  // classes, weights, map
  }
  CHECK(peaks[0] == peaks[1]);
}

TEST_CASE("a segmentation is the argmax of the probabilities, inside the padding") {
  const Setup s(backend_names().front(), {20, 18, 13}, {8, 8, 8});
  const VolumePrediction whole = s.predict();
  const PadFrame frame{s.size, {1, 2, 0}, {17, 15, 12}};
  const Segmentation found = segment_volume(*s.backend, s.state.networks, s.image, frame, s.windows, true);
  CHECK(found.labels == crop(argmax_classes(whole.mean, 3), frame));
  REQUIRE(found.networks.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(found.networks[i] == crop(argmax_classes(whole.networks[i], 3), frame));
  }
  CHECK(found.uncertainty == crop(whole.uncertainty, frame));
  const std::vector<float> inside = crop(whole.mean, frame, 3);
  const std::size_t voxels = found.labels.size();
  REQUIRE(found.probabilities.size() == 3 * voxels);
  for (std::size_t v = 0; v < voxels; ++v) {
    for (std::size_t c = 0; c < 3; ++c) REQUIRE(found.probabilities[c * voxels + v] == inside[3 * v + c]);
  }
  WindowConfig plain = s.windows;
  plain.samples = 0;
  plain.each_network = false;
  const Segmentation labels = segment_volume(*s.backend, s.state.networks, s.image, frame, plain);
  CHECK(labels.labels == found.labels);
  CHECK(labels.networks.empty());
  CHECK(labels.uncertainty.empty());
  CHECK(labels.probabilities.empty());
}

TEST_CASE("argmax takes the first of equals") {
  CHECK(argmax_classes({0.2f, 0.4f, 0.4f, 0.5f, 0.5f, 0.0f}, 3) == std::vector<std::uint8_t>{1, 0});
}

TEST_CASE("no networks, no patch, networks of different classes: refused") {
  Setup s(backend_names().front(), {16, 16, 16}, {8, 8, 8}, 4);
  WindowConfig plain;
  CHECK_THROWS_AS(predict_volume(*s.backend, s.state.networks, s.image, s.size, plain), EngineError);
  CHECK_THROWS_AS(predict_volume(*s.backend, {}, s.image, s.size, s.windows), EngineError);
  Setup two(backend_names().front(), {16, 16, 16}, {8, 8, 8}, 2);
  s.state.networks.back() = std::move(two.state.networks.back());
  CHECK_THROWS_AS(s.predict(), EngineError);
}

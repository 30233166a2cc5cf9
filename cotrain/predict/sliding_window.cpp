#include "cotrain/predict/sliding_window.h"

#include <algorithm>
#include <cmath>

#include "engine/autograd/node.h"
#include "engine/core/errors.h"
#include "engine/core/parallel.h"
#include "engine/ops/loss.h"

namespace duet {
namespace {

struct Window {
  Triple corner{}, patch{}, size{};
};

// Calls row(voxel of the volume, voxel of the window, count) for each contiguous run of a window.
template <class Row>
void each_row(const Window& w, const Row& row) {
  for (Index d = 0; d < w.patch[0]; ++d) {
    for (Index h = 0; h < w.patch[1]; ++h) {
      const Index volume = ((w.corner[0] + d) * w.size[1] + w.corner[1] + h) * w.size[2] + w.corner[2];
      row(volume, (d * w.patch[1] + h) * w.patch[2], w.patch[2]);
    }
  }
}

// volume += weight * values, channels last.
void add_window(const Window& w, const std::vector<float>& weights, const float* values, Index channels,
                std::vector<float>& volume) {
  each_row(w, [&](Index to, Index from, Index count) {
    for (Index i = 0; i < count; ++i) {
      const float weight = weights[static_cast<std::size_t>(from + i)];
      for (Index c = 0; c < channels; ++c) {
        volume[static_cast<std::size_t>((to + i) * channels + c)] +=
            weight * values[(from + i) * channels + c];
      }
    }
  });
}

void divide(std::vector<float>& volume, const std::vector<float>& total, Index channels) {
  parallel_chunks(static_cast<Index>(total.size()), Index{1} << 16, [&](Index begin, Index end) {
    for (Index v = begin; v < end; ++v) {
      for (Index c = 0; c < channels; ++c) {
        volume[static_cast<std::size_t>(v * channels + c)] /= total[static_cast<std::size_t>(v)];
      }
    }
  });
}

}  // namespace

std::vector<Index> window_corners(Index size, Index patch, double overlap) {
  DUET_CHECK(size >= patch && patch >= 1 && overlap >= 0 && overlap < 1, "window_corners: size ", size,
             ", patch ", patch, ", overlap ", overlap);
  const Index step =
      std::max<Index>(1, static_cast<Index>(std::ceil(static_cast<double>(patch) * (1 - overlap))));
  std::vector<Index> corners;
  for (Index corner = 0; corner < size - patch; corner += step) corners.push_back(corner);
  corners.push_back(size - patch);
  return corners;
}

std::vector<float> window_weights(const Triple& patch) {
  std::array<std::vector<double>, 3> line;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const double centre = static_cast<double>(patch[axis] - 1) / 2,
                 sigma = static_cast<double>(patch[axis]) / 8;
    for (Index i = 0; i < patch[axis]; ++i) {
      const double z = (static_cast<double>(i) - centre) / sigma;
      line[axis].push_back(std::exp(-z * z / 2));
    }
  }
  std::vector<float> weights;
  weights.reserve(static_cast<std::size_t>(patch[0] * patch[1] * patch[2]));
  for (double a : line[0]) {
    for (double b : line[1]) {
      for (double c : line[2]) weights.push_back(static_cast<float>(std::max(a * b * c, 1e-3)));
    }
  }
  return weights;
}

VolumePrediction predict_volume(Backend& backend, const std::vector<std::unique_ptr<Network>>& networks,
                                const std::vector<float>& image, const Triple& size,
                                const WindowConfig& config) {
  const NoGrad no_grad;
  const Index classes = networks.front()->config().classes;
  const auto voxels = static_cast<std::size_t>(size[0] * size[1] * size[2]);
  DUET_CHECK(image.size() == voxels, "predict_volume: ", image.size(), " values for ", voxels, " voxels");
  const std::vector<float> weights = window_weights(config.patch);
  VolumePrediction result;
  result.mean.resize(voxels * static_cast<std::size_t>(classes));
  if (config.each_network) result.networks.assign(networks.size(), result.mean);
  if (config.samples > 0) result.uncertainty.resize(voxels);
  std::vector<float> total(voxels);

  const Triple& p = config.patch;
  Tensor x = backend.empty({1, p[0], p[1], p[2], 1}, DType::f32, "predict");
  const Shape logits_shape{1, p[0], p[1], p[2], classes};
  std::uint32_t window_number = 0;
  for (Index d : window_corners(size[0], p[0], config.overlap)) {
    for (Index h : window_corners(size[1], p[1], config.overlap)) {
      for (Index w : window_corners(size[2], p[2], config.overlap)) {
        const Window window{{d, h, w}, p, size};
        each_row(window, [&](Index from, Index to, Index count) {
          std::copy_n(image.data() + from, count, x.data<float>() + to);
        });
        std::unique_ptr<SampleAccumulator> sums;
        if (config.samples > 0) sums = std::make_unique<SampleAccumulator>(backend, logits_shape, DType::f32);
        for (std::size_t i = 0; i < networks.size(); ++i) {
          ForwardContext context{backend};
          context.seed = config.seed;
          context.network = static_cast<std::uint32_t>(i);
          context.step = window_number;
          const Encoding encoding = networks[i]->encode(context, Var::constant(x));
          const Tensor probabilities = softmax(backend, networks[i]->decode(context, encoding)).value();
          add_window(window, weights, probabilities.data<float>(), classes, result.mean);
          if (config.each_network) {
            add_window(window, weights, probabilities.data<float>(), classes, result.networks[i]);
          }
          if (sums) add_samples(*sums, *networks[i], context, encoding, {config.samples, 1, config.kind});
        }
        if (sums) {
          add_window(window, weights, sums->finish(config.kind).uncertainty.data<float>(), 1,
                     result.uncertainty);
        }
        each_row(window, [&](Index to, Index from, Index count) {
          for (Index i = 0; i < count; ++i) {
            total[static_cast<std::size_t>(to + i)] += weights[static_cast<std::size_t>(from + i)];
          }
        });
        ++window_number;
      }
    }
  }
  for (auto& each : result.networks) divide(each, total, classes);
  if (config.samples > 0) divide(result.uncertainty, total, 1);
  for (float& weight : total) weight *= static_cast<float>(networks.size());
  divide(result.mean, total, classes);
  return result;
}

std::vector<std::uint8_t> argmax_classes(const std::vector<float>& probabilities, Index classes) {
  std::vector<std::uint8_t> labels(probabilities.size() / static_cast<std::size_t>(classes));
  for (std::size_t v = 0; v < labels.size(); ++v) {
    const float* p = probabilities.data() + v * static_cast<std::size_t>(classes);
    labels[v] = static_cast<std::uint8_t>(std::max_element(p, p + classes) - p);
  }
  return labels;
}

}  // namespace duet

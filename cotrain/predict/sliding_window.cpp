#include "cotrain/predict/sliding_window.h"

#include <algorithm>

#include "cotrain/predict/slab_sums.h"
#include "engine/autograd/node.h"
#include "engine/core/errors.h"
#include "engine/core/parallel.h"
#include "engine/ops/loss.h"

namespace duet {
namespace {

using Networks = std::vector<std::unique_ptr<Network>>;

struct Sums {
  PlaneRing mean, total, uncertainty;
  std::vector<PlaneRing> networks;

  Sums(Index planes, const Triple& size, Index classes, std::size_t count, const WindowConfig& config)
      : mean(planes, size, classes), total(planes, size, 1) {
    if (config.samples > 0) uncertainty = total;
    if (config.each_network) networks.assign(count, mean);
  }
  template <class Visit>
  void each(const Visit& visit) {
    visit(mean);
    visit(total);
    if (uncertainty.planes > 0) visit(uncertainty);
    for (PlaneRing& ring : networks) visit(ring);
  }
};

Tensor cut_windows(Backend& backend, const std::vector<float>& image, const Triple& size,
                   std::span<const Triple> corners, const Triple& p) {
  const auto batch = static_cast<Index>(corners.size());
  const Tensor x(backend.host, {batch, p[0], p[1], p[2], 1}, DType::f32, "predict");
  const Index rows = p[0] * p[1];
  parallel_chunks(batch * rows, 64, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const Triple& corner = corners[static_cast<std::size_t>(i / rows)];
      const Index d = corner[0] + i % rows / p[1], h = corner[1] + i % p[1];
      std::copy_n(image.data() + (d * size[1] + h) * size[2] + corner[2], p[2], x.data<float>() + i * p[2]);
    }
  });
  return moved_to(backend.memory, x);
}

// Of a result, for the host to read.
Tensor host_copy(const Backend& backend, const Tensor& x) { return moved_to(backend.host, x); }

void add_to(const Tensor& sum, const Tensor& other) {
  float* to = sum.data<float>();
  const float* from = other.data<float>();
  parallel_chunks(sum.elements(), Index{1} << 16, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) to[i] += from[i];
  });
}

// Runs one batch of windows through all networks. `number`: of its first window.
void add_batch(Backend& backend, const Networks& networks, const Tensor& x, std::span<const Triple> corners,
               Index number, const WindowConfig& config, std::span<const float> weights, Sums& sums) {
  ForwardContext context{backend};
  context.bf16 = config.bf16 && backend.fast_bf16;  // who trained may have had another processor
  context.seed = config.seed;
  context.step = static_cast<std::uint32_t>(number / kWindowPlaces);
  context.first_sample = number % kWindowPlaces;
  const Shape logits = x.shape().with_channels(networks.front()->config().classes);
  std::unique_ptr<SampleAccumulator> samples;
  if (config.samples > 0) samples = std::make_unique<SampleAccumulator>(backend, logits, DType::f32);
  const Index fold = config.fold > 0 ? config.fold : window_fold(config.patch, logits.n, config.samples);
  Tensor together;  // networks are summed here first, so that a voxel's sum does not depend on the batch
  for (std::size_t i = 0; i < networks.size(); ++i) {
    context.network = static_cast<std::uint32_t>(i);
    const Encoding encoding = networks[i]->encode(context, Var::constant(x));
    const Tensor probabilities =
        host_copy(backend, softmax(backend, networks[i]->decode(context, encoding)).value());
    if (config.each_network) {
      add_windows(sums.networks[i], corners, config.patch, weights, probabilities.data<float>());
    }
    if (together) {
      add_to(together, probabilities);
    } else {
      together = probabilities;
    }
    if (samples) add_samples(*samples, *networks[i], context, encoding, {config.samples, fold, config.kind});
  }
  add_windows(sums.mean, corners, config.patch, weights, together.data<float>());
  add_windows(sums.total, corners, config.patch, weights, nullptr);
  if (samples) {
    const Tensor map = host_copy(backend, samples->finish(config.kind).uncertainty);
    add_windows(sums.uncertainty, corners, config.patch, weights, map.data<float>());
  }
}

// Planes that lie together in the ring.
void hand_out(Sums& sums, Index first, Index count, std::size_t networks,
              const std::function<void(const Slab&)>& consumer) {
  const std::span<const float> total = sums.total.run(first, count);
  auto averaged = [&](PlaneRing& ring, float by) {
    divide(ring.run(first, count), total, by);
    return ring.run(first, count);
  };
  Slab slab;
  slab.first = first;
  slab.count = count;
  slab.mean = averaged(sums.mean, static_cast<float>(networks));
  for (PlaneRing& ring : sums.networks) slab.networks.push_back(averaged(ring, 1));
  if (sums.uncertainty.planes > 0) slab.uncertainty = averaged(sums.uncertainty, 1);
  consumer(slab);
  sums.each([&](PlaneRing& ring) { std::ranges::fill(ring.run(first, count), 0.0f); });
}

}  // namespace

WindowStats predict_slabs(Backend& backend, const Networks& networks, const std::vector<float>& image,
                          const Triple& size, const WindowConfig& config,
                          const std::function<void(const Slab&)>& consumer) {
  const NoGrad no_grad;
  const auto voxels = static_cast<std::size_t>(size[0] * size[1] * size[2]);
  DUET_CHECK(image.size() == voxels, "predict: ", image.size(), " values for ", voxels, " voxels");
  DUET_CHECK(!networks.empty(), "predict: no networks");
  DUET_CHECK(*std::ranges::min_element(config.patch) >= 1, "predict: patch ", config.patch[0], 'x',
             config.patch[1], 'x', config.patch[2], ", expected at least 1 along each axis");
  for (const auto& network : networks) {
    DUET_CHECK(network->config().classes == networks.front()->config().classes, "predict: networks of ",
               networks.front()->config().classes, " and ", network->config().classes, " classes");
  }
  const std::vector<float> weights = window_weights(config.patch);
  const Index batch = config.batch > 0 ? config.batch : window_batch(config.patch);
  const std::vector<WindowGroup> groups =
      window_groups(size, config.patch, config.overlap, config.stride, batch);

  WindowStats stats;
  stats.planes = ring_planes(groups, config.patch);
  Sums sums(stats.planes, size, networks.front()->config().classes, networks.size(), config);
  sums.each([&](const PlaneRing& ring) { stats.accumulator_bytes += ring.bytes(); });
  for (const WindowGroup& group : groups) {
    std::span<const Triple> left = group.corners;
    for (const Index count : group.batches) {
      const auto corners = left.first(static_cast<std::size_t>(count));
      const Tensor x = cut_windows(backend, image, size, corners, config.patch);
      add_batch(backend, networks, x, corners, stats.windows, config, weights, sums);
      left = left.subspan(corners.size());
      stats.windows += count;
      ++stats.batches;
    }
    for (Index first = group.first; first < group.complete;) {
      const Index count = std::min(group.complete - first, stats.planes - first % stats.planes);
      hand_out(sums, first, count, networks.size(), consumer);
      first += count;
    }
  }
  return stats;
}

VolumePrediction predict_volume(Backend& backend, const Networks& networks, const std::vector<float>& image,
                                const Triple& size, const WindowConfig& config) {
  VolumePrediction result;
  result.networks.resize(config.each_network ? networks.size() : 0);
  auto append = [](std::vector<float>& to, std::span<const float> from) {
    to.insert(to.end(), from.begin(), from.end());
  };
  const auto voxels = static_cast<std::size_t>(size[0] * size[1] * size[2]);
  DUET_CHECK(!networks.empty(), "predict: no networks");
  const auto classes = static_cast<std::size_t>(networks.front()->config().classes);
  result.mean.reserve(voxels * classes);
  for (auto& each : result.networks) each.reserve(voxels * classes);
  if (config.samples > 0) result.uncertainty.reserve(voxels);
  predict_slabs(backend, networks, image, size, config, [&](const Slab& slab) {
    append(result.mean, slab.mean);
    for (std::size_t i = 0; i < slab.networks.size(); ++i) append(result.networks[i], slab.networks[i]);
    append(result.uncertainty, slab.uncertainty);
  });
  return result;
}

}  // namespace duet

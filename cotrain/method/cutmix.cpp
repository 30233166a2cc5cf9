#include "cotrain/method/cutmix.h"

#include <algorithm>
#include <cmath>

#include "engine/core/philox.h"

namespace duet {
namespace {

constexpr double kLeastShare = 0.25, kMostShare = 0.5;  // of the patch

// Draws of a sample, by element: whether it is mixed, the box's share, its corner.
enum Draw : std::uint64_t { kWhether, kShare, kCorner };

CutMix::Box draw_box(const PhiloxKey& key, std::uint32_t place, const Shape& image) {
  const Triple size = image.spatial();
  const double drawn = static_cast<double>(draw_uniform(key, place, kShare));
  const double share = kLeastShare + (kMostShare - kLeastShare) * drawn;
  const auto axes =
      static_cast<double>(std::count_if(size.begin(), size.end(), [](Index n) { return n > 1; }));
  const double side = std::pow(share, 1.0 / std::max(axes, 1.0));
  Triple extent{}, corner{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    if (size[axis] == 1) {
      extent[axis] = 1;
      continue;
    }
    extent[axis] = std::clamp<Index>(std::llround(side * static_cast<double>(size[axis])), 1, size[axis]);
    const auto places = static_cast<std::uint32_t>(size[axis] - extent[axis] + 1);
    corner[axis] = draw_below(key, place, kCorner + axis, places);
  }
  return {0, 0, {0, corner[0], corner[1], corner[2], 0}, {1, extent[0], extent[1], extent[2], 1}};
}

void replace(Backend& backend, const CutMix& mix, const Tensor& from, Index first, const Tensor& to) {
  for (const CutMix::Box& box : mix.boxes) {
    Offset5 source = box.corner, target = box.corner;
    source[0] = first + box.from;
    target[0] = first + box.to;
    backend.region->copy_region(from.cview(), source, to.view(), target,
                                box.extent.with_channels(from.shape().c), Accum::write);
  }
}

Tensor copy_of(Backend& backend, const Tensor& x) {
  Tensor copy = backend.empty(x.shape(), x.dtype(), "cutmix");
  backend.pointwise->convert(x.cview(), copy.view());
  return copy;
}

}  // namespace

CutMix draw_cutmix(const Step& step, const MethodConfig& config) {
  CutMix mix;
  const Shape& image = step.batch.image.shape();
  const Index count = image.n - step.batch.labelled;
  if (config.cutmix <= 0 || !step.tasks.unsupervised || count < 2) return mix;
  const PhiloxKey key{step.seed, Stream::cutmix, 0, 0, step.iteration, 0};
  for (Index n = 0; n < count; ++n) {
    const auto place = static_cast<std::uint32_t>(step.first_sample + step.batch.labelled + n);
    if (static_cast<double>(draw_uniform(key, place, kWhether)) >= config.cutmix) continue;
    CutMix::Box box = draw_box(key, place, image);
    box.to = n;
    box.from = (n + 1) % count;
    mix.boxes.push_back(box);
  }
  return mix;
}

Tensor mixed(Backend& backend, const CutMix& mix, const Tensor& unlabelled) {
  if (mix.boxes.empty()) return unlabelled;
  Tensor copy = copy_of(backend, unlabelled);
  replace(backend, mix, unlabelled, 0, copy);
  return copy;
}

Prediction mixed(Backend& backend, const CutMix& mix, const Prediction& unlabelled) {
  return {mixed(backend, mix, unlabelled.probabilities), mixed(backend, mix, unlabelled.uncertainty)};
}

Batch mixed(Backend& backend, const CutMix& mix, const Batch& batch) {
  Batch result = batch;
  if (mix.boxes.empty()) return result;
  result.image = copy_of(backend, batch.image);
  result.valid = copy_of(backend, batch.valid);
  replace(backend, mix, batch.image, batch.labelled, result.image);
  replace(backend, mix, batch.valid, batch.labelled, result.valid);
  return result;
}

Step with_batch(const Step& step, const Batch& batch) {
  return {step.backend, step.networks,  batch,     step.seed,     step.iteration, step.lambda,
          step.bf16,    step.recompute, step.rise, step.teachers, step.tasks,     step.first_sample};
}

}  // namespace duet

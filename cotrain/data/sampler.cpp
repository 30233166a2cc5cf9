#include "cotrain/data/sampler.h"

#include <algorithm>

#include "cotrain/data/intensity.h"
#include "cotrain/data/warp.h"
#include "engine/core/philox.h"

namespace duet {
namespace {

std::uint32_t below(const PhiloxKey& key, std::uint32_t sample, std::uint64_t draw, Index bound) {
  return draw_below(key, sample, draw, static_cast<std::uint32_t>(bound));
}

// Corner of a patch: anywhere it fits, or around a voxel of a foreground class (the classes of the case in
// turn by chance).
Triple draw_corner(const SamplerConfig& config, const LoadedCase& from, std::uint32_t step,
                   std::uint32_t sample) {
  const PhiloxKey key{config.seed, Stream::crop, 0, 0, step, 0};
  Triple corner{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    corner[axis] = below(key, sample, axis, from.frame.size[axis] - config.patch[axis] + 1);
  }
  if (draw_uniform(key, sample, 3) >= config.augment.foreground) return corner;
  std::vector<const std::vector<std::uint32_t>*> present;
  for (const auto& voxels : from.foreground) {
    if (!voxels.empty()) present.push_back(&voxels);
  }
  if (present.empty()) return corner;
  const auto& voxels = *present[below(key, sample, 4, static_cast<Index>(present.size()))];
  const Index voxel = voxels[below(key, sample, 5, static_cast<Index>(voxels.size()))];
  const Triple& size = from.frame.size;
  const Triple at = {voxel / (size[1] * size[2]), voxel / size[2] % size[1], voxel % size[2]};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    corner[axis] = std::clamp<Index>(at[axis] - config.patch[axis] / 2, 0, size[axis] - config.patch[axis]);
  }
  return corner;
}

Placement draw_placement(const SamplerConfig& config, const LoadedCase& from, std::uint32_t step,
                         std::uint32_t sample) {
  Placement place;
  place.corner = draw_corner(config, from, step, sample);
  const PhiloxKey flip{config.seed, Stream::flip, 0, 0, step, 0};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    place.flip[axis] = config.augment.flip[axis] != 0 && draw_uniform(flip, sample, axis) < 0.5f;
  }
  const PhiloxKey intensity{config.seed, Stream::intensity, 0, 0, step, 0};
  const double spread = 2.0 * draw_uniform(intensity, sample, 0) - 1.0;
  place.factor = static_cast<float>(1.0 + config.augment.contrast * spread);
  // Its words: 4 to 7. Those of the first four would share the factor's.
  place.offset = static_cast<float>(config.augment.brightness * draw_normal(intensity, sample, 2));
  return place;
}

}  // namespace

std::size_t shuffled_index(std::uint64_t seed, std::uint32_t list, std::uint64_t position,
                           std::size_t count) {
  const auto round = static_cast<std::uint32_t>(position / count);
  const PhiloxKey key{seed, Stream::order, list, 0, round, 0};
  auto drawn = [&](std::uint64_t i) { return below(key, 0, i, static_cast<Index>(i)); };
  // Fisher-Yates swaps entry i - 1 with entry drawn(i) < i, for i = count down to 2. One entry of the result
  // is followed back through the swaps to where it started, so the list itself is never made.
  const std::uint64_t place = position % count;
  std::uint64_t at = place > 0 ? drawn(place + 1) : 0;
  for (std::uint64_t i = place + 2; i <= count; ++i) {
    if (drawn(i) == at) at = i - 1;
  }
  return at;
}

Batch empty_batch(const Backend& backend, const SamplerConfig& config) {
  const Triple& p = config.patch;
  const Shape shape{config.labelled + config.unlabelled, p[0], p[1], p[2], 1};
  Batch batch;
  batch.labelled = config.labelled;
  batch.image = Tensor(backend.staging, shape, DType::f32, "batch");
  batch.valid = Tensor(backend.staging, shape, DType::f32, "batch");
  batch.labels = Tensor(backend.staging, shape.with_batch(config.labelled), DType::u8, "batch");
  return batch;
}

Batch on_device(const Backend& backend, Batch batch) {
  for (Tensor* tensor : {&batch.image, &batch.valid, &batch.labels}) {
    *tensor = moved_to(backend.memory, *tensor);
  }
  backend.wait();  // the device may still be reading staging, whose next owner writes to it
  return batch;
}

void fill_batch(Batch& batch, const SamplerConfig& config, const std::vector<LoadedCase>& labelled,
                const std::vector<LoadedCase>& unlabelled, std::uint32_t step) {
  batch.case_ids.clear();
  for (Index s = 0; s < config.labelled + config.unlabelled; ++s) {
    const bool has_label = s < config.labelled;
    const std::vector<LoadedCase>& cases = has_label ? labelled : unlabelled;
    const Index per_step = has_label ? config.labelled : config.unlabelled;
    const Index place_in_list = has_label ? s : s - config.labelled;
    DUET_CHECK(!cases.empty(), "make_batch: no ", has_label ? "labelled" : "unlabelled", " cases");
    const std::uint64_t position = std::uint64_t{step} * static_cast<std::uint64_t>(per_step) +
                                   static_cast<std::uint64_t>(place_in_list);
    const LoadedCase& from = cases[shuffled_index(config.seed, has_label ? 0 : 1, position, cases.size())];
    batch.case_ids.push_back(from.id);
    const auto sample = static_cast<std::uint32_t>(s);
    const Placement place = draw_placement(config, from, step, sample);
    const Warp warp =
        draw_warp(config.augment, config.seed, step, sample, config.patch, from.geometry.spacing);
    auto* image = batch.image.samples(s, s + 1).data<float>();
    auto* valid = batch.valid.samples(s, s + 1).data<float>();
    auto* labels = has_label ? batch.labels.samples(s, s + 1).data<std::uint8_t>() : nullptr;
    if (warp.identity()) {
      cut_patch(from, place, config.patch, image, valid, labels);
    } else {
      warp_patch(from, place, warp, config.patch, image, valid, labels);
    }
    change_intensity(draw_intensity(config.augment, config.seed, step, sample), config.patch, valid, image);
  }
}

Batch make_batch(const Backend& backend, const SamplerConfig& config, const std::vector<LoadedCase>& labelled,
                 const std::vector<LoadedCase>& unlabelled, std::uint32_t step) {
  Batch batch = empty_batch(backend, config);
  fill_batch(batch, config, labelled, unlabelled, step);
  return batch;
}

}  // namespace duet

#include "cotrain/data/sampler.h"

#include <algorithm>
#include <numeric>

#include "engine/core/philox.h"

namespace duet {
namespace {

struct Placement {
  Triple corner{};
  bool flip[3] = {};
  float factor = 1, offset = 0;
};

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
  place.offset = static_cast<float>(config.augment.brightness * draw_normal(intensity, sample, 1));
  return place;
}

// Cuts one patch: image with its intensity change, validity and, where there are labels, labels. Padding
// stays 0.
void cut_patch(const LoadedCase& from, const Placement& place, const Triple& patch, float* image,
               float* valid, std::uint8_t* labels) {
  const Triple& size = from.frame.size;
  auto inside = [&](std::size_t axis, Index i) {
    return i >= from.frame.offset[axis] && i < from.frame.offset[axis] + from.frame.extent[axis];
  };
  auto source = [&](std::size_t axis, Index i) {
    return place.corner[axis] + (place.flip[axis] ? patch[axis] - 1 - i : i);
  };
  for (Index d = 0; d < patch[0]; ++d) {
    const Index sd = source(0, d);
    for (Index h = 0; h < patch[1]; ++h) {
      const Index sh = source(1, h);
      const bool row_inside = inside(0, sd) && inside(1, sh);
      const Index row = (sd * size[1] + sh) * size[2];
      for (Index w = 0; w < patch[2]; ++w) {
        const Index sw = source(2, w);
        const bool is_valid = row_inside && inside(2, sw);
        const auto voxel = static_cast<std::size_t>(row + sw);
        *image++ = is_valid ? from.image[voxel] * place.factor + place.offset : 0.0f;
        *valid++ = is_valid ? 1.0f : 0.0f;
        if (labels) *labels++ = from.labels[voxel];
      }
    }
  }
}

}  // namespace

std::size_t shuffled_index(std::uint64_t seed, std::uint32_t list, std::uint64_t position,
                           std::size_t count) {
  const auto round = static_cast<std::uint32_t>(position / count);
  const PhiloxKey key{seed, Stream::order, list, 0, round, 0};
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t i = count; i > 1; --i) {  // Fisher-Yates
    std::swap(order[i - 1], order[below(key, 0, i, static_cast<Index>(i))]);
  }
  return order[position % count];
}

Batch make_batch(const Backend& backend, const SamplerConfig& config, const std::vector<LoadedCase>& labelled,
                 const std::vector<LoadedCase>& unlabelled, std::uint32_t step) {
  const Triple& p = config.patch;
  const Index n = config.labelled + config.unlabelled;
  const Shape shape{n, p[0], p[1], p[2], 1};
  Batch batch;
  batch.labelled = config.labelled;
  batch.image = backend.empty(shape, DType::f32, "batch");
  batch.valid = backend.empty(shape, DType::f32, "batch");
  batch.labels = backend.empty(shape.with_batch(config.labelled), DType::u8, "batch");
  for (Index s = 0; s < n; ++s) {
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
    cut_patch(from, draw_placement(config, from, step, sample), p,
              batch.image.samples(s, s + 1).data<float>(), batch.valid.samples(s, s + 1).data<float>(),
              has_label ? batch.labels.samples(s, s + 1).data<std::uint8_t>() : nullptr);
  }
  return batch;
}

}  // namespace duet

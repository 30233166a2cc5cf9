// Weighted sums over windows for those planes of a volume that a later window can still touch: a ring along
// D. A finished plane is divided by the weights' sum, handed out and its place cleared for a later one, so
// memory does not grow with the depth of the volume. Called by sliding_window.cpp. Rows run on all threads,
// windows in their order, so sums depend neither on threads nor on batches.
#pragma once

#include <span>
#include <vector>

#include "engine/core/shape.h"

namespace duet {

// `planes` planes of (H, W, channels), channels last; plane d of the volume stands at d mod planes.
struct PlaneRing {
  Index planes = 0, height = 0, width = 0, channels = 0;
  std::vector<float> values;

  PlaneRing() = default;
  PlaneRing(Index ring, const Triple& size, Index channel_count);
  std::size_t plane_values() const { return static_cast<std::size_t>(height * width * channels); }
  std::size_t bytes() const { return values.size() * sizeof(float); }
  // Planes [first, first + count) of the volume, which must not run over the ring's end.
  std::span<float> run(Index first, Index count);
};

// ring += weights * values for each window: values (corners, D, H, W, channels) of the patch's size, weights
// (D, H, W). values null: ring += weights, of one channel.
void add_windows(PlaneRing& ring, std::span<const Triple> corners, const Triple& patch,
                 std::span<const float> weights, const float* values);

// values (voxels, channels) /= total (voxels) * by.
void divide(std::span<float> values, std::span<const float> total, float by);

}  // namespace duet

#include "cotrain/predict/slab_sums.h"

#include "engine/core/errors.h"
#include "engine/core/parallel.h"

namespace duet {
namespace {

// to += weights * values along a row. The usual few channels are known to the compiler, which then vectorises
// over voxels.
template <Index kChannels>
void add_row(const float* __restrict weights, const float* __restrict values, Index count, Index channels,
             float* __restrict to) {
  const Index C = kChannels > 0 ? kChannels : channels;
  for (Index i = 0; i < count; ++i) {
    const float weight = weights[i];
    for (Index c = 0; c < C; ++c) to[i * C + c] += weight * values[i * C + c];
  }
}

using AddRow = void (*)(const float*, const float*, Index, Index, float*);

AddRow add_row_for(Index channels) {
  constexpr AddRow kKnown[] = {add_row<0>, add_row<1>, add_row<2>, add_row<3>, add_row<4>};
  return kKnown[channels <= 4 ? channels : 0];
}

}  // namespace

PlaneRing::PlaneRing(Index ring, const Triple& size, Index channel_count)
    : planes(ring), height(size[1]), width(size[2]), channels(channel_count) {
  values.resize(static_cast<std::size_t>(planes) * plane_values());
}

std::span<float> PlaneRing::run(Index first, Index count) {
  const Index at = first % planes;
  DUET_CHECK(at + count <= planes, "plane ring: ", count, " planes from ", at, " of ", planes);
  return {values.data() + static_cast<std::size_t>(at) * plane_values(),
          static_cast<std::size_t>(count) * plane_values()};
}

void add_windows(PlaneRing& ring, std::span<const Triple> corners, const Triple& patch,
                 std::span<const float> weights, const float* values) {
  const Index C = ring.channels, rows = patch[0] * patch[1], count = patch[2];
  const AddRow add = add_row_for(C);
  for (const Triple& corner : corners) {
    parallel_chunks(rows, 16, [&](Index begin, Index end) {
      for (Index row = begin; row < end; ++row) {
        const Index d = (corner[0] + row / patch[1]) % ring.planes, h = corner[1] + row % patch[1];
        float* to = ring.values.data() + ((d * ring.height + h) * ring.width + corner[2]) * C;
        const float* weight = weights.data() + row * count;
        if (values) {
          add(weight, values + row * count * C, count, C, to);
        } else {
          for (Index i = 0; i < count; ++i) to[i] += weight[i];
        }
      }
    });
    if (values) values += rows * count * C;
  }
}

void divide(std::span<float> values, std::span<const float> total, float by) {
  const auto voxels = static_cast<Index>(total.size());
  if (voxels == 0) return;
  const Index channels = static_cast<Index>(values.size()) / voxels;
  parallel_chunks(voxels, Index{1} << 14, [&](Index begin, Index end) {
    for (Index v = begin; v < end; ++v) {
      const float sum = total[static_cast<std::size_t>(v)] * by;
      float* at = values.data() + v * channels;
      for (Index c = 0; c < channels; ++c) at[c] /= sum;
    }
  });
}

}  // namespace duet

#include "cotrain/predict/enlarge.h"

#include <algorithm>

#include "engine/core/errors.h"
#include "engine/core/parallel.h"

namespace duet {
namespace {

// Exactly a where both are equal, and never outside [a, b].
float between(float a, float b, float weight) { return a + weight * (b - a); }

// One row of blocks, between the four around it in D and H.
void blend(const Enlarger& from, const Between& d, const Between& h, std::vector<float>& row) {
  const Index count = from.blocks.count()[2] * from.channels;
  const auto at = [&](Index plane, Index line) {
    return (plane + 1 == from.taken ? from.last : from.before).data() + line * count;
  };
  const float *a = at(d.low, h.low), *b = at(d.low, h.high), *c = at(d.high, h.low), *e = at(d.high, h.high);
  for (Index i = 0; i < count; ++i) {
    row[static_cast<std::size_t>(i)] =
        between(between(a[i], b[i], h.weight), between(c[i], e[i], h.weight), d.weight);
  }
}

void widen(const std::vector<float>& blocks, const std::vector<Between>& places, Index channels, float* row) {
  for (const Between& place : places) {
    const float *a = blocks.data() + place.low * channels, *b = blocks.data() + place.high * channels;
    for (Index c = 0; c < channels; ++c) *row++ = between(a[c], b[c], place.weight);
  }
}

}  // namespace

std::vector<Between> between_blocks(Index size, Index block) {
  const Index last = (size + block - 1) / block - 1;
  std::vector<Between> places;
  for (Index i = 0; i < size; ++i) {
    // Voxel i's centre is at (i + 1/2) / block - 1/2 among the blocks' centres: in halves of a voxel,
    // exactly.
    const Index halves = 2 * i + 1 - block;
    if (halves < 0) {
      places.push_back({0, 0, 0});
    } else if (halves / (2 * block) >= last) {
      places.push_back({last, last, 0});
    } else {
      const Index low = halves / (2 * block);
      places.push_back(
          {low, low + 1, static_cast<float>(halves % (2 * block)) / static_cast<float>(2 * block)});
    }
  }
  return places;
}

Enlarger::Enlarger(const Blocks& grid, Index channel_count) : blocks(grid), channels(channel_count) {
  for (std::size_t axis = 0; axis < 3; ++axis) {
    places[axis] = between_blocks(grid.size[axis], grid.block[axis]);
  }
}

void add_plane(Enlarger& to, const float* plane, Index row_step, const RowSink& row) {
  const Triple count = to.blocks.count(), &size = to.blocks.size;
  DUET_CHECK(to.taken < count[0], "enlarge: more than ", count[0], " planes");
  const Index values = count[2] * to.channels;
  std::swap(to.before, to.last);
  to.last.resize(static_cast<std::size_t>(count[1] * values));
  for (Index h = 0; h < count[1]; ++h) {
    std::copy_n(plane + h * row_step, values, to.last.data() + h * values);
  }
  ++to.taken;
  const Index first = to.done;
  while (to.done < size[0] && to.places[0][static_cast<std::size_t>(to.done)].high < to.taken) ++to.done;
  parallel_chunks((to.done - first) * size[1], 16, [&](Index begin, Index end) {
    std::vector<float> narrow(static_cast<std::size_t>(values)),
        wide(static_cast<std::size_t>(size[2] * to.channels));
    for (Index i = begin; i < end; ++i) {
      const Index d = first + i / size[1], h = i % size[1];
      blend(to, to.places[0][static_cast<std::size_t>(d)], to.places[1][static_cast<std::size_t>(h)], narrow);
      widen(narrow, to.places[2], to.channels, wide.data());
      row(wide.data(), (d * size[1] + h) * size[2]);
    }
  });
}

}  // namespace duet

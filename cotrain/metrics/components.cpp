#include "cotrain/metrics/components.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "engine/core/errors.h"

namespace duet {
namespace {

std::vector<Triple> neighbour_offsets(Connectivity connectivity) {
  std::vector<Triple> offsets;
  for (Index d = -1; d <= 1; ++d) {
    for (Index h = -1; h <= 1; ++h) {
      for (Index w = -1; w <= 1; ++w) {
        const Index steps = std::abs(d) + std::abs(h) + std::abs(w);
        if (steps == 1 || (steps > 1 && connectivity == Connectivity::corners_26))
          offsets.push_back({d, h, w});
      }
    }
  }
  return offsets;
}

}  // namespace

Index largest_component(std::span<std::uint8_t> labels, const Triple& size, int classes,
                        Connectivity connectivity) {
  const Index voxels = checked_elements({1, size[0], size[1], size[2], 1});
  DUET_CHECK(static_cast<Index>(labels.size()) == voxels, "largest_component: expected ", voxels,
             " labels, got ", labels.size());
  const std::vector<Triple> offsets = neighbour_offsets(connectivity);
  std::vector<std::uint8_t> seen(labels.size(), 0);
  std::vector<std::vector<Index>> largest(std::max(classes, 1));  // by class
  std::vector<Index> component;
  for (Index start = 0; start < voxels; ++start) {
    const std::uint8_t value = labels[start];
    if (seen[start] || value == 0 || value >= classes) continue;
    component.assign(1, start);
    seen[start] = 1;
    for (std::size_t next = 0; next < component.size(); ++next) {  // breadth first; the list is the queue
      const Index at = component[next];
      const Triple here = {at / (size[1] * size[2]), at / size[2] % size[1], at % size[2]};
      for (const Triple& step : offsets) {
        const Index d = here[0] + step[0], h = here[1] + step[1], w = here[2] + step[2];
        if (d < 0 || h < 0 || w < 0 || d >= size[0] || h >= size[1] || w >= size[2]) continue;
        const Index to = (d * size[1] + h) * size[2] + w;
        if (seen[to] || labels[to] != value) continue;
        seen[to] = 1;
        component.push_back(to);
      }
    }
    if (component.size() > largest[value].size()) std::swap(component, largest[value]);
  }
  // Clear every seen voxel, then put the kept ones back.
  Index cleared = 0;
  for (Index i = 0; i < voxels; ++i) {
    if (!seen[i]) continue;
    labels[i] = 0;
    ++cleared;
  }
  for (int value = 1; value < classes; ++value) {
    for (const Index i : largest[value]) labels[i] = static_cast<std::uint8_t>(value);
    cleared -= static_cast<Index>(largest[value].size());
  }
  return cleared;
}

}  // namespace duet

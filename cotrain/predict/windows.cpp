#include "cotrain/predict/windows.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/core/errors.h"

namespace duet {
namespace {

constexpr Index kMostVoxels = Index{1} << 21;  // of a batch that the caller leaves open

Index rounded_up(Index count, Index by) { return (count + by - 1) / by; }

// Even sizes, so that few different ones are planned and none is left with a single window. first: number of
// the first window.
std::vector<Index> batch_sizes(Index first, Index count, Index most) {
  std::vector<Index> sizes;
  while (count > 0) {
    const Index together = std::min(count, kWindowPlaces - first % kWindowPlaces);
    for (Index left = together, batches = rounded_up(together, most); batches > 0; --batches) {
      sizes.push_back(rounded_up(left, batches));
      left -= sizes.back();
    }
    first += together;
    count -= together;
  }
  return sizes;
}

}  // namespace

std::vector<Index> window_corners(Index size, Index patch, double overlap, Index stride) {
  DUET_CHECK(size >= patch && patch >= 1 && overlap >= 0 && overlap < 1 && stride >= 0 && stride <= patch,
             "window_corners: size ", size, ", patch ", patch, ", overlap ", overlap, ", stride ", stride);
  const Index room = size - patch;
  std::vector<Index> corners;
  if (stride > 0) {
    for (Index corner = 0; corner < room; corner += stride) corners.push_back(corner);
    corners.push_back(room);
    return corners;
  }
  // A rounding of overlap such as 0.7 must not cost a voxel of the step.
  const double exact = static_cast<double>(patch) * (1 - overlap) - 1e-9;
  const Index step = std::max<Index>(1, static_cast<Index>(std::ceil(exact)));
  const Index steps = rounded_up(room, step);
  for (Index i = 0; i <= steps; ++i) corners.push_back(steps == 0 ? 0 : (i * room + steps / 2) / steps);
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

Index window_batch(const Triple& patch) {
  return std::clamp<Index>(kMostVoxels / (patch[0] * patch[1] * patch[2]), 1, 8);
}

Index window_fold(const Triple& patch, Index windows, Index samples) {
  const Index voxels = windows * patch[0] * patch[1] * patch[2];
  Index fold = samples;
  while (fold > 1 && (samples % fold != 0 || fold * voxels > kMostVoxels)) --fold;
  return std::max<Index>(fold, 1);
}

std::vector<WindowGroup> window_groups(const Triple& size, const Triple& patch, double overlap,
                                       const Triple& stride, Index batch) {
  DUET_CHECK(batch >= 1, "window_groups: batch ", batch);
  std::array<std::vector<Index>, 3> at;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    at[axis] = window_corners(size[axis], patch[axis], overlap, stride[axis]);
  }
  const auto in_plane = static_cast<Index>(at[1].size() * at[2].size());
  const auto together = static_cast<std::size_t>(patch[0] == 1 ? std::max<Index>(1, batch / in_plane) : 1);
  std::vector<WindowGroup> groups;
  Index windows = 0;
  for (std::size_t begin = 0; begin < at[0].size(); begin += together) {
    const std::size_t end = std::min(at[0].size(), begin + together);
    WindowGroup group;
    for (std::size_t i = begin; i < end; ++i) {
      for (Index h : at[1]) {
        for (Index w : at[2]) group.corners.push_back({at[0][i], h, w});
      }
    }
    const auto count = static_cast<Index>(group.corners.size());
    group.batches = batch_sizes(windows, count, batch);
    windows += count;
    group.first = at[0][begin];
    group.complete = end < at[0].size() ? at[0][end] : size[0];
    groups.push_back(std::move(group));
  }
  return groups;
}

Index ring_planes(const std::vector<WindowGroup>& groups, const Triple& patch) {
  Index planes = 0;
  for (const WindowGroup& group : groups) {
    planes = std::max(planes, group.corners.back()[0] + patch[0] - group.first);
  }
  return planes;
}

}  // namespace duet

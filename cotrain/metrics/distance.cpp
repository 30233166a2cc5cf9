#include "cotrain/metrics/distance.h"

#include <algorithm>

namespace duet {
namespace {

// Scratch of one line's lower envelope of parabolas.
struct Envelope {
  std::vector<Index> site;     // where parabola k has its minimum
  std::vector<double> value;   // its height there
  std::vector<double> border;  // parabola k is the lowest from border[k] to border[k + 1], in voxels
  explicit Envelope(Index length) : site(length), value(length), border(length + 1) {}
};

// f(q) := min_p f(p) + (scale (q - p))^2 along one line; sites at kFar take no part.
void transform_line(double* line, Index length, Index stride, double scale, Envelope& e) {
  const double square = scale * scale;
  Index count = 0;
  for (Index q = 0; q < length; ++q) {
    const double f = line[q * stride];
    if (f == kFar) continue;
    double start = -kFar;
    while (count > 0) {
      const Index p = e.site[count - 1];
      // Where the parabola of q falls below that of p.
      start = ((f - e.value[count - 1]) / square + static_cast<double>(q * q - p * p)) /
              (2.0 * static_cast<double>(q - p));
      if (start > e.border[count - 1]) break;
      --count;
      start = -kFar;
    }
    e.site[count] = q;
    e.value[count] = f;
    e.border[count] = start;
    ++count;
  }
  if (count == 0) return;
  e.border[count] = kFar;
  Index k = 0;
  for (Index q = 0; q < length; ++q) {
    while (e.border[k + 1] < static_cast<double>(q)) ++k;
    const double away = scale * static_cast<double>(q - e.site[k]);
    line[q * stride] = e.value[k] + away * away;
  }
}

}  // namespace

Box bounding_box(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b, const Triple& size,
                 std::uint8_t value) {
  Box box{size, {0, 0, 0}};
  Index at = 0;
  for (Index d = 0; d < size[0]; ++d) {
    for (Index h = 0; h < size[1]; ++h) {
      for (Index w = 0; w < size[2]; ++w, ++at) {
        if (a[at] != value && b[at] != value) continue;
        const Triple here = {d, h, w};
        for (int axis = 0; axis < 3; ++axis) {
          box.begin[axis] = std::min(box.begin[axis], here[axis]);
          box.end[axis] = std::max(box.end[axis], here[axis] + 1);
        }
      }
    }
  }
  if (box.empty()) return {};
  return box;
}

std::vector<std::uint8_t> crop_mask(std::span<const std::uint8_t> labels, const Triple& size, const Box& box,
                                    std::uint8_t value) {
  const Triple inner = box.size();
  std::vector<std::uint8_t> mask(inner[0] * inner[1] * inner[2]);
  Index to = 0;
  for (Index d = box.begin[0]; d < box.end[0]; ++d) {
    for (Index h = box.begin[1]; h < box.end[1]; ++h) {
      const Index row = (d * size[1] + h) * size[2];
      for (Index w = box.begin[2]; w < box.end[2]; ++w) mask[to++] = labels[row + w] == value ? 1 : 0;
    }
  }
  return mask;
}

std::vector<Index> surface_voxels(std::span<const std::uint8_t> mask, const Triple& size) {
  const Triple stride = {size[1] * size[2], size[2], 1};
  std::vector<Index> surface;
  Index at = 0;
  for (Index d = 0; d < size[0]; ++d) {
    for (Index h = 0; h < size[1]; ++h) {
      for (Index w = 0; w < size[2]; ++w, ++at) {
        if (!mask[at]) continue;
        const Triple here = {d, h, w};
        bool open = false;
        for (int axis = 0; axis < 3 && !open; ++axis) {
          open = here[axis] == 0 || here[axis] == size[axis] - 1 || !mask[at - stride[axis]] ||
                 !mask[at + stride[axis]];
        }
        if (open) surface.push_back(at);
      }
    }
  }
  return surface;
}

std::vector<double> squared_distances(std::span<const Index> seeds, const Triple& size,
                                      const Spacing& spacing) {
  std::vector<double> field(size[0] * size[1] * size[2], kFar);
  for (const Index seed : seeds) field[seed] = 0.0;
  Envelope envelope(std::max({size[0], size[1], size[2]}));
  for (Index d = 0; d < size[0]; ++d) {
    for (Index h = 0; h < size[1]; ++h) {
      transform_line(&field[(d * size[1] + h) * size[2]], size[2], 1, spacing[2], envelope);
    }
    for (Index w = 0; w < size[2]; ++w) {
      transform_line(&field[d * size[1] * size[2] + w], size[1], size[2], spacing[1], envelope);
    }
  }
  for (Index i = 0; i < size[1] * size[2]; ++i) {
    transform_line(&field[i], size[0], size[1] * size[2], spacing[0], envelope);
  }
  return field;
}

}  // namespace duet

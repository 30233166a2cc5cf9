#include "cotrain/data/patch.h"

#include <algorithm>

namespace duet {
namespace {

struct Range {
  Index begin, end;
  bool holds(Index i) const { return begin <= i && i < end; }
};

// Places of the patch along `axis`, in its own order, that fall inside the image.
Range inside(const LoadedCase& from, const Placement& place, const Triple& patch, std::size_t axis) {
  const Index first = from.frame.offset[axis] - place.corner[axis];
  const Range straight = {std::clamp<Index>(first, 0, patch[axis]),
                          std::clamp<Index>(first + from.frame.extent[axis], 0, patch[axis])};
  if (!place.flip[axis]) return straight;
  return {patch[axis] - straight.end, patch[axis] - straight.begin};
}

}  // namespace

void cut_patch(const LoadedCase& from, const Placement& place, const Triple& patch, float* image,
               float* valid, std::uint8_t* labels) {
  const Triple& size = from.frame.size;
  const Range in_d = inside(from, place, patch, 0), in_h = inside(from, place, patch, 1),
              in_w = inside(from, place, patch, 2);
  const Index width = patch[2];
  const float factor = place.factor, offset = place.offset;
  auto source = [&](std::size_t axis, Index i) {
    return place.corner[axis] + (place.flip[axis] ? patch[axis] - 1 - i : i);
  };
  for (Index d = 0; d < patch[0]; ++d) {
    for (Index h = 0; h < patch[1]; ++h, image += width, valid += width) {
      const Index row = (source(0, d) * size[1] + source(1, h)) * size[2] + place.corner[2];
      if (labels) {
        const std::uint8_t* voxels = from.labels.data() + row;
        if (place.flip[2]) {
          std::reverse_copy(voxels, voxels + width, labels);
        } else {
          std::copy_n(voxels, width, labels);
        }
        labels += width;
      }
      const bool row_inside = in_d.holds(d) && in_h.holds(h);
      const Index begin = row_inside ? in_w.begin : 0, end = row_inside ? in_w.end : 0;
      const float* voxels = from.image.data() + row;
      std::fill(image, image + begin, 0.0f);
      if (place.flip[2]) {
        for (Index w = begin; w < end; ++w) image[w] = voxels[width - 1 - w] * factor + offset;
      } else {
        for (Index w = begin; w < end; ++w) image[w] = voxels[w] * factor + offset;
      }
      std::fill(image + end, image + width, 0.0f);
      std::fill(valid, valid + begin, 0.0f);
      std::fill(valid + begin, valid + end, 1.0f);
      std::fill(valid + end, valid + width, 0.0f);
    }
  }
}

}  // namespace duet

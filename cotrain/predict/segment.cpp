#include "cotrain/predict/segment.h"

#include <algorithm>

#include "engine/core/parallel.h"

namespace duet {
namespace {

// Calls row(voxel of the slab, voxel inside the frame, count) for each row of the slab that lies inside.
template <class Row>
void each_row_inside(const Slab& slab, const PadFrame& frame, const Row& row) {
  const Triple &size = frame.size, &offset = frame.offset, &extent = frame.extent;
  const Index first = std::max(slab.first, offset[0]),
              last = std::min(slab.first + slab.count, offset[0] + extent[0]);
  if (first >= last) return;
  parallel_chunks((last - first) * extent[1], 64, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const Index d = first + i / extent[1], h = i % extent[1];
      row(((d - slab.first) * size[1] + h + offset[1]) * size[2] + offset[2],
          ((d - offset[0]) * extent[1] + h) * extent[2], extent[2]);
    }
  });
}

void argmax_row(const float* p, Index count, Index classes, std::uint8_t* labels) {
  for (Index v = 0; v < count; ++v, p += classes) {
    labels[v] = static_cast<std::uint8_t>(std::max_element(p, p + classes) - p);
  }
}

}  // namespace

Segmentation segment_volume(Backend& backend, const std::vector<std::unique_ptr<Network>>& networks,
                            const std::vector<float>& image, const PadFrame& frame,
                            const WindowConfig& config, bool probabilities) {
  const Index classes = networks.front()->config().classes;
  const Index voxels = frame.extent[0] * frame.extent[1] * frame.extent[2];
  const auto count = static_cast<std::size_t>(voxels);
  Segmentation result;
  result.labels.resize(count);
  if (config.each_network) result.networks.assign(networks.size(), result.labels);
  if (config.samples > 0) result.uncertainty.resize(count);
  if (probabilities) result.probabilities.resize(count * static_cast<std::size_t>(classes));
  predict_slabs(backend, networks, image, frame.size, config, [&](const Slab& slab) {
    each_row_inside(slab, frame, [&](Index from, Index to, Index length) {
      argmax_row(slab.mean.data() + from * classes, length, classes, result.labels.data() + to);
      for (std::size_t i = 0; i < slab.networks.size(); ++i) {
        argmax_row(slab.networks[i].data() + from * classes, length, classes, result.networks[i].data() + to);
      }
      if (!slab.uncertainty.empty()) {
        std::copy_n(slab.uncertainty.data() + from, length, result.uncertainty.data() + to);
      }
      if (!probabilities) return;
      for (Index c = 0; c < classes; ++c) {
        float* channel = result.probabilities.data() + c * voxels + to;
        for (Index v = 0; v < length; ++v)
          channel[v] = slab.mean[static_cast<std::size_t>((from + v) * classes + c)];
      }
    });
  });
  return result;
}

std::vector<std::uint8_t> argmax_classes(const std::vector<float>& probabilities, Index classes) {
  const Index voxels = static_cast<Index>(probabilities.size()) / classes;
  std::vector<std::uint8_t> labels(static_cast<std::size_t>(voxels));
  parallel_chunks(voxels, Index{1} << 14, [&](Index begin, Index end) {
    argmax_row(probabilities.data() + begin * classes, end - begin, classes, labels.data() + begin);
  });
  return labels;
}

}  // namespace duet

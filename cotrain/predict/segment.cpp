#include "cotrain/predict/segment.h"

#include <algorithm>

#include "cotrain/metrics/components.h"
#include "cotrain/predict/enlarge.h"
#include "engine/core/errors.h"
#include "engine/core/parallel.h"

namespace duet {
namespace {

// Calls row(voxel of the slab, voxel inside the frame) for each row of the slab that lies inside.
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
          ((d - offset[0]) * extent[1] + h) * extent[2]);
    }
  });
}

// One map of the slabs (probabilities, uncertainty), row by row on the grid of the results.
class MapRows {
 public:
  MapRows(const PadFrame& frame, const std::optional<Blocks>& enlarge, Index channels)
      : frame_(frame), enlarger_(enlarge.value_or(Blocks{}), channels) {}

  // `values`: of the slab, which must be the next one.
  void take(const Slab& slab, std::span<const float> values, const RowSink& row) {
    const Index channels = enlarger_.channels;
    if (enlarger_.blocks.whole()) {
      return each_row_inside(slab, frame_,
                             [&](Index from, Index to) { row(values.data() + from * channels, to); });
    }
    const Triple &size = frame_.size, &offset = frame_.offset;
    for (Index d = slab.first; d < slab.first + slab.count; ++d) {
      if (d < offset[0] || d >= offset[0] + frame_.extent[0]) continue;
      const Index from = ((d - slab.first) * size[1] + offset[1]) * size[2] + offset[2];
      add_plane(enlarger_, values.data() + from * channels, size[2] * channels, row);
    }
  }

 private:
  PadFrame frame_;
  Enlarger enlarger_;  // not used where every voxel is a block
};

void argmax_row(const float* p, Index count, Index classes, std::uint8_t* labels) {
  for (Index v = 0; v < count; ++v, p += classes) {
    labels[v] = static_cast<std::uint8_t>(std::max_element(p, p + classes) - p);
  }
}

}  // namespace

Segmentation segment_volume(Backend& backend, const std::vector<std::unique_ptr<Network>>& networks,
                            const std::vector<float>& image, const PadFrame& frame,
                            const WindowConfig& config, bool probabilities,
                            const std::optional<Blocks>& enlarge) {
  DUET_CHECK(!enlarge || enlarge->count() == frame.extent, "segment: blocks of another image");
  const Index classes = networks.front()->config().classes;
  const Triple& size = enlarge ? enlarge->size : frame.extent;
  const Index voxels = size[0] * size[1] * size[2], length = size[2];
  const auto count = static_cast<std::size_t>(voxels);
  Segmentation result;
  result.labels.resize(count);
  if (config.each_network) result.networks.assign(networks.size(), result.labels);
  if (config.samples > 0) result.uncertainty.resize(count);
  if (probabilities) result.probabilities.resize(count * static_cast<std::size_t>(classes));
  MapRows mean(frame, enlarge, classes), uncertainty(frame, enlarge, 1);
  std::vector<MapRows> each(result.networks.size(), mean);
  predict_slabs(backend, networks, image, frame.size, config, [&](const Slab& slab) {
    mean.take(slab, slab.mean, [&](const float* p, Index to) {
      argmax_row(p, length, classes, result.labels.data() + to);
      if (!probabilities) return;
      for (Index c = 0; c < classes; ++c) {
        float* channel = result.probabilities.data() + c * voxels + to;
        for (Index v = 0; v < length; ++v) channel[v] = p[v * classes + c];
      }
    });
    for (std::size_t i = 0; i < each.size(); ++i) {
      each[i].take(slab, slab.networks[i], [&](const float* p, Index to) {
        argmax_row(p, length, classes, result.networks[i].data() + to);
      });
    }
    if (slab.uncertainty.empty()) return;
    uncertainty.take(slab, slab.uncertainty, [&](const float* u, Index to) {
      std::copy_n(u, length, result.uncertainty.data() + to);
    });
  });
  if (config.largest_component) {
    largest_component(result.labels, size, static_cast<int>(classes));
    for (auto& labels : result.networks) largest_component(labels, size, static_cast<int>(classes));
  }
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

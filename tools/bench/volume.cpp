#include "tools/bench/volume.h"

#include <numeric>

#include "engine/core/philox.h"

namespace duet::bench {

Volume make_volume(const BenchOptions& options) {
  Volume volume;
  volume.frame = pad_frame(options.size, options.patch);
  const PhiloxKey noise{1, Stream::noise, 0, 0, 0, 0};
  std::vector<float> image(static_cast<std::size_t>(options.size[0] * options.size[1] * options.size[2]));
  for (std::size_t i = 0; i < image.size(); ++i) image[i] = static_cast<float>(draw_normal(noise, 0, i));
  volume.image = pad(image, volume.frame);
  volume.windows.patch = options.patch;
  volume.windows.stride = options.stride;
  volume.windows.samples = options.samples;
  volume.windows.fold = options.fold;
  volume.windows.bf16 = options.precision == "bf16";
  return volume;
}

Index window_count(const BenchOptions& options) {
  const WindowConfig windows;
  const Triple size = pad_frame(options.size, options.patch).size;
  Index count = 1;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const auto corners =
        window_corners(size[axis], options.patch[axis], windows.overlap, options.stride[axis]);
    count *= static_cast<Index>(corners.size());
  }
  return count;
}

double segment(Backend& backend, const std::vector<std::unique_ptr<Network>>& networks,
               const Volume& volume) {
  const Segmentation found = segment_volume(backend, networks, volume.image, volume.frame, volume.windows);
  const double sum = std::accumulate(found.labels.begin(), found.labels.end(), 0.0);
  return sum / static_cast<double>(found.labels.size());
}

}  // namespace duet::bench

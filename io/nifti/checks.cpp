// Checks of values that callers ask for: finite numbers, one channel, class indices.
#include <cmath>

#include "engine/core/errors.h"
#include "io/nifti/image.h"

namespace duet {
namespace {

// "voxel (i,j,k)" of an index into the data, in the order of the image in memory.
std::string voxel_name(const Image& image, Index index) {
  const Index ni = image.size[2], nj = image.size[1];
  const Index voxel = index % image.voxels();
  std::string name = text("voxel (", voxel % ni, ',', voxel / ni % nj, ',', voxel / (ni * nj), ')');
  return image.channels > 1 ? text(name, " of channel ", index / image.voxels()) : name;
}

}  // namespace

NonFinite count_nonfinite(std::span<const float> data) {
  NonFinite result;
  for (std::size_t i = 0; i < data.size(); ++i) {
    if (std::isfinite(data[i])) continue;
    if (result.count++ == 0) result.first = static_cast<Index>(i);
  }
  return result;
}

void require_finite(const Image& image) {
  const NonFinite bad = count_nonfinite(image.data);
  if (bad.count == 0) return;
  throw Error(ExitCode::data, text(image.file.string(), ": ", bad.count, " of ", image.data.size(),
                                   " values are not finite, the first at ", voxel_name(image, bad.first),
                                   ": ", image.data[static_cast<std::size_t>(bad.first)]));
}

void require_single_channel(const Image& image) {
  if (image.channels == 1) return;
  throw Error(ExitCode::data,
              text(image.file.string(), ": expected one channel, found ", image.channels, " of ",
                   image.size[2], " x ", image.size[1], " x ", image.size[0], " voxels"));
}

std::vector<std::uint8_t> labels_of(const Image& image, int classes) {
  DUET_CHECK(classes >= 1 && classes <= 256, "labels_of: ", classes, " classes, expected 1 to 256");
  require_single_channel(image);
  std::vector<std::uint8_t> labels(image.data.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const float value = image.data[i];
    const float nearest = std::nearbyint(value);
    if (!(nearest >= 0 && nearest < static_cast<float>(classes) && std::fabs(value - nearest) <= 1e-5f)) {
      throw Error(ExitCode::data, text(image.file.string(), ": label ", value, " at ",
                                       voxel_name(image, static_cast<Index>(i)),
                                       ", expected an integer from 0 to ", classes - 1));
    }
    labels[i] = static_cast<std::uint8_t>(nearest);
  }
  return labels;
}

}  // namespace duet

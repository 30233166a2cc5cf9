#include "io/dataset/preprocess.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "engine/core/errors.h"

namespace duet {
namespace {

Index product(const Triple& size) { return size[0] * size[1] * size[2]; }

// Copies the rows of a box of `extent` voxels at `from_offset` to `to_offset`; sizes are those of the whole
// volumes.
template <class T>
void copy_box(const T* from, Triple from_size, Triple from_offset, T* to, Triple to_size, Triple to_offset,
              Triple extent, Index channels) {
  for (Index d = 0; d < extent[0]; ++d) {
    for (Index h = 0; h < extent[1]; ++h) {
      const auto row = [&](const Triple& size, const Triple& at) {
        return (((d + at[0]) * size[1] + h + at[1]) * size[2] + at[2]) * channels;
      };
      std::copy_n(from + row(from_size, from_offset), extent[2] * channels, to + row(to_size, to_offset));
    }
  }
}

void check_count(const char* op, std::size_t found, const Triple& size, Index channels) {
  DUET_CHECK(static_cast<Index>(found) == product(size) * channels, op, ": ", found, " values for (", size[0],
             ',', size[1], ',', size[2], ',', channels, ')');
}

}  // namespace

void zscore(std::vector<float>& values) {
  if (values.empty()) return;
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  const bool constant = *low == *high;
  double sum = 0;
  for (float v : values) sum += v;
  if (!std::isfinite(sum)) throw Error(ExitCode::data, "z-score: the image has values that are not finite");
  if (constant) {  // exactly, as a mean that is off by a rounding would blow up to +-1
    std::fill(values.begin(), values.end(), 0.0f);
    return;
  }
  const double mean = sum / static_cast<double>(values.size());
  double squares = 0;
  for (float v : values) squares += (v - mean) * (v - mean);
  const double scale = 1.0 / std::sqrt(squares / static_cast<double>(values.size()));
  for (float& v : values) v = static_cast<float>((v - mean) * scale);
}

PadFrame pad_frame(Triple size, Triple min_size) {
  PadFrame frame;
  frame.extent = size;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    DUET_CHECK(size[axis] >= 1, "pad: size ", size[axis], " along axis ", axis);
    frame.size[axis] = std::max(size[axis], min_size[axis]);
    frame.offset[axis] = (frame.size[axis] - size[axis]) / 2;
  }
  return frame;
}

template <class T>
std::vector<T> pad(const std::vector<T>& values, const PadFrame& frame, Index channels) {
  check_count("pad", values.size(), frame.extent, channels);
  std::vector<T> padded(static_cast<std::size_t>(product(frame.size) * channels), T{});
  copy_box(values.data(), frame.extent, {0, 0, 0}, padded.data(), frame.size, frame.offset, frame.extent,
           channels);
  return padded;
}

template <class T>
std::vector<T> crop(const std::vector<T>& values, const PadFrame& frame, Index channels) {
  check_count("crop", values.size(), frame.size, channels);
  std::vector<T> cropped(static_cast<std::size_t>(product(frame.extent) * channels));
  copy_box(values.data(), frame.size, frame.offset, cropped.data(), frame.extent, {0, 0, 0}, frame.extent,
           channels);
  return cropped;
}

template std::vector<float> pad(const std::vector<float>&, const PadFrame&, Index);
template std::vector<std::uint8_t> pad(const std::vector<std::uint8_t>&, const PadFrame&, Index);
template std::vector<float> crop(const std::vector<float>&, const PadFrame&, Index);
template std::vector<std::uint8_t> crop(const std::vector<std::uint8_t>&, const PadFrame&, Index);

}  // namespace duet

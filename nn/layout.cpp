#include "nn/layout.h"

namespace duet {
namespace {

// Both weight layouts are (outer, taps, channels) here and (outer, channels, taps) there: body(ours, theirs).
template <class Body>
void for_each_pair(const NamedTensor& tensor, const Body& body) {
  const Shape& s = tensor.value.shape();
  const bool plain = tensor.layout == NamedTensor::Layout::plain;
  const Index outer = plain ? 1 : s.n, taps = plain ? 1 : s.voxels(), channels = plain ? s.elements() : s.c;
  for (Index o = 0; o < outer; ++o) {
    for (Index k = 0; k < taps; ++k) {
      for (Index c = 0; c < channels; ++c) {
        body(static_cast<std::size_t>((o * taps + k) * channels + c),
             static_cast<std::size_t>((o * channels + c) * taps + k));
      }
    }
  }
}

template <class T>
std::vector<float> reordered(const NamedTensor& tensor) {
  std::vector<float> values(static_cast<std::size_t>(tensor.value.elements()));
  std::vector<T> from(values.size());
  tensor.value.copy_to(from.data());
  for_each_pair(
      tensor, [&](std::size_t ours, std::size_t theirs) { values[theirs] = static_cast<float>(from[ours]); });
  return values;
}

template <class T>
void fill(const NamedTensor& tensor, std::span<const float> values) {
  std::vector<T> to(values.size());
  for_each_pair(tensor,
                [&](std::size_t ours, std::size_t theirs) { to[ours] = static_cast<T>(values[theirs]); });
  tensor.value.copy_from(to.data());
}

}  // namespace

std::vector<Index> pytorch_shape(const NamedTensor& tensor, int dimensions) {
  const Shape& s = tensor.value.shape();
  if (tensor.layout == NamedTensor::Layout::plain) {
    if (s == Shape::vector(s.c)) return {s.c};
    return {s.n, s.d, s.h, s.w, s.c};
  }
  if (dimensions == 2) {
    DUET_CHECK(s.d == 1, "tensor '", tensor.name, "' of shape ", s, " is no weight of a 2D network");
    return {s.n, s.c, s.h, s.w};
  }
  return {s.n, s.c, s.d, s.h, s.w};
}

std::vector<float> to_pytorch_order(const NamedTensor& tensor, std::vector<Index>& shape, int dimensions) {
  shape = pytorch_shape(tensor, dimensions);
  return tensor.value.dtype() == DType::f64 ? reordered<double>(tensor) : reordered<float>(tensor);
}

void from_pytorch_order(NamedTensor& tensor, std::span<const float> values) {
  const auto expected = static_cast<std::size_t>(tensor.value.elements());
  if (values.size() != expected) {
    throw Error(ExitCode::data,
                text("tensor '", tensor.name, "': expected ", expected, " values, found ", values.size()));
  }
  if (tensor.value.dtype() == DType::f64) {
    fill<double>(tensor, values);
  } else {
    fill<float>(tensor, values);
  }
  tensor.value.mark_changed();
}

}  // namespace duet

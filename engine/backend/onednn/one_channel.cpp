#include "engine/backend/onednn/one_channel.h"

#include <algorithm>

#include "engine/backend/onednn/task_sums.h"
#include "engine/backend/onednn/vectors.h"
#include "engine/memory/scratch.h"

namespace duet::onednn::one_channel {
namespace {

constexpr Index kLanes = 8;
constexpr Index kPlane = 9;  // taps of a kernel's plane: as many sums, and a vector of dy

// Adds to sums (9, 8) the products of a plane of dy, 8 of its channels, with the rows of x, `width` long,
// that one plane of the kernel meets.
void add_plane(const float* from, Index width, const Shape& y, const float* dy, float* sums) {
  Eight s[kPlane];
  for (Index tap = 0; tap < kPlane; ++tap) s[tap] = load_as<Eight>(sums + tap * kLanes);
  for (Index h = 0; h < y.h; ++h) {
    const float* row = from + h * width;
    for (Index w = 0; w < y.w; ++w, dy += y.c) {
      const Eight gradient = load_as<Eight>(dy);
#pragma GCC unroll 3
      for (Index kh = 0; kh < 3; ++kh) {
#pragma GCC unroll 3
        for (Index kw = 0; kw < 3; ++kw) s[kh * 3 + kw] += row[kh * width + w + kw] * gradient;
      }
    }
  }
  for (Index tap = 0; tap < kPlane; ++tap) store(sums + tap * kLanes, s[tap]);
}

}  // namespace

bool fits(const Conv3dSpec& spec, const Shape& x, const Shape& w) {
  return spec.stride == Triple{1, 1, 1} && spec.kernel[1] == 3 && spec.kernel[2] == 3 && x.c == 1 &&
         w.n % kLanes == 0;
}

void weights_gradient(const std::shared_ptr<Allocator>& memory, const Conv3dSpec& spec, ConstView x,
                      ConstView dy, View dw, Accum accum) {
  const Shape &in = x.shape, &y = dy.shape;
  const Triple& padding = spec.padding;
  const Index depth = in.d + 2 * padding[0], height = in.h + 2 * padding[1], width = in.w + 2 * padding[2];
  const Scratch copy(memory, static_cast<std::size_t>(in.n * depth * height * width) * sizeof(float),
                     "conv3d padded input");
  auto* to = static_cast<float*>(copy.data());
  std::fill_n(to, in.n * depth * height * width, 0.0F);
  for (Index row = 0; row < in.n * in.d * in.h; ++row) {
    const Index h = row % in.h, d = row / in.h % in.d, n = row / (in.h * in.d);
    const Index place = ((n * depth + d + padding[0]) * height + h + padding[1]) * width + padding[2];
    std::copy_n(x.as<float>() + row * in.w, in.w, to + place);
  }

  // Sums as [channels / 8][kD][9][8].
  const Index taps = spec.kernel[0] * kPlane;
  const TaskSums sums(memory, y.n * y.d, taps * y.c, [&](Index plane, float* sum) {
    const Index n = plane / y.d, d = plane % y.d;
    for (Index c = 0; c < y.c; c += kLanes) {
      for (Index kd = 0; kd < spec.kernel[0]; ++kd) {
        add_plane(to + (n * depth + d + kd) * height * width, width, y,
                  dy.as<float>() + plane * y.h * y.w * y.c + c, sum + (c * taps + kd * kPlane * kLanes));
      }
    }
  });
  auto* out = dw.as<float>();
  for (Index c = 0; c < y.c; ++c) {
    for (Index tap = 0; tap < taps; ++tap) {
      float& result = out[c * taps + tap];
      const Index at = c / kLanes * kLanes * taps + tap * kLanes + c % kLanes;
      result = sums.total(at, accum == Accum::add ? result : 0.0F);
    }
  }
}

}  // namespace duet::onednn::one_channel

#include "engine/backend/onednn/one_channel.h"

#include <algorithm>

#include "engine/backend/onednn/vectors.h"
#include "engine/core/parallel.h"
#include "engine/memory/scratch.h"

namespace duet::onednn::one_channel {
namespace {

constexpr Index kLanes = 8;
constexpr Index kPlane = 9;       // taps of a kernel's plane: as many sums, and a vector of dy
constexpr Index kMostTasks = 16;  // each has sums of its own

// x with zeros around each sample: rows of `width`, planes of `height` rows.
struct Padded {
  const float* data;
  Index depth, height, width;
};

// Adds to sums (9, 8) the products of a plane of dy, 8 of its channels, with the rows of x that one plane of
// the kernel meets.
void add_plane(const Padded& x, const float* from, const Shape& y, const float* dy, float* sums) {
  Eight s[kPlane];
  for (Index tap = 0; tap < kPlane; ++tap) s[tap] = load_as<Eight>(sums + tap * kLanes);
  for (Index h = 0; h < y.h; ++h) {
    const float* row = from + h * x.width;
    for (Index w = 0; w < y.w; ++w, dy += y.c) {
      const Eight gradient = load_as<Eight>(dy);
#pragma GCC unroll 3
      for (Index kh = 0; kh < 3; ++kh) {
#pragma GCC unroll 3
        for (Index kw = 0; kw < 3; ++kw) s[kh * 3 + kw] += row[kh * x.width + w + kw] * gradient;
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
  const Padded padded{to, depth, height, width};

  // Sums as [task][channels / 8][kD][9][8].
  const Index taps = spec.kernel[0] * kPlane, size = taps * y.c, planes = y.n * y.d;
  const Index of_task = (planes + kMostTasks - 1) / kMostTasks, tasks = (planes + of_task - 1) / of_task;
  const Scratch partial(memory, static_cast<std::size_t>(tasks * size) * sizeof(float),
                        "conv3d weight gradient");
  auto* parts = static_cast<float*>(partial.data());
  parallel_for(tasks, [&](Index task) {
    float* sums = parts + task * size;
    std::fill_n(sums, size, 0.0F);
    for (Index plane = task * of_task; plane < std::min(planes, (task + 1) * of_task); ++plane) {
      const Index n = plane / y.d, d = plane % y.d;
      for (Index c = 0; c < y.c; c += kLanes) {
        for (Index kd = 0; kd < spec.kernel[0]; ++kd) {
          add_plane(padded, to + (n * depth + d + kd) * height * width, y,
                    dy.as<float>() + plane * y.h * y.w * y.c + c, sums + (c * taps + kd * kPlane * kLanes));
        }
      }
    }
  });
  auto* out = dw.as<float>();
  for (Index c = 0; c < y.c; ++c) {
    for (Index tap = 0; tap < taps; ++tap) {
      float& result = out[c * taps + tap];
      double total = accum == Accum::add ? static_cast<double>(result) : 0.0;
      const Index at = c / kLanes * kLanes * taps + tap * kLanes + c % kLanes;
      for (Index task = 0; task < tasks; ++task) total += static_cast<double>(parts[task * size + at]);
      result = static_cast<float>(total);
    }
  }
}

}  // namespace duet::onednn::one_channel

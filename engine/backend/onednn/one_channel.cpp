#include "engine/backend/onednn/one_channel.h"

#include <algorithm>
#include <vector>

#include "engine/backend/onednn/task_sums.h"
#include "engine/backend/onednn/types.h"
#include "engine/backend/onednn/vectors.h"
#include "engine/memory/scratch.h"

namespace duet::onednn::one_channel {
namespace {

constexpr Index kLanes = 8;
constexpr Index kPlane = 9;   // taps of a kernel's plane: as many sums, and a vector of dy
constexpr Index kVoxels = 8;  // outputs in a row at once: sums enough to hide a multiply-add's latency

// x with its padding, in f32.
class Padded {
 public:
  Padded(const std::shared_ptr<Allocator>& memory, const Conv3dSpec& spec, ConstView x)
      : depth_(x.shape.d + 2 * spec.padding[0]),
        height_(x.shape.h + 2 * spec.padding[1]),
        width_(x.shape.w + 2 * spec.padding[2]),
        copy_(memory, static_cast<std::size_t>(x.shape.n * depth_ * height_ * width_) * sizeof(float),
              "conv3d padded input") {
    with_float_or_bf16("conv3d", x.dtype,
                       [&](auto type) { fill(spec.padding, x.shape, x.as<decltype(type)>()); });
  }

  Index width() const { return width_; }
  const float* plane(Index n, Index d) const { return data() + (n * depth_ + d) * height_ * width_; }

 private:
  float* data() const { return static_cast<float*>(copy_.data()); }

  template <class T>
  void fill(const Triple& padding, const Shape& in, const T* from) {
    parallel_for(in.n * depth_, [&](Index i) {
      const Index d = i % depth_ - padding[0], n = i / depth_;
      float* to = data() + i * height_ * width_;
      std::fill_n(to, height_ * width_, 0.0F);
      if (d < 0 || d >= in.d) return;
      for (Index h = 0; h < in.h; ++h) {
        const T* row = from + ((n * in.d + d) * in.h + h) * in.w;
        std::copy_n(row, in.w, to + (h + padding[1]) * width_ + padding[2]);
      }
    });
  }

  Index depth_, height_, width_;
  Scratch copy_;
};

// Weights as [vector of Co][kD][3][3][lanes of V].
template <class V>
std::vector<float> by_vectors(ConstView w) {
  constexpr Index kWidth = kLanesOf<V>;
  const Index taps = w.shape.voxels();
  std::vector<float> to(static_cast<std::size_t>(w.shape.n * taps));
  for (Index o = 0; o < w.shape.n; ++o) {
    for (Index tap = 0; tap < taps; ++tap) {
      to[static_cast<std::size_t>((o / kWidth * taps + tap) * kWidth + o % kWidth)] =
          w.as<float>()[o * taps + tap];
    }
  }
  return to;
}

// kCount outputs in a row, as many channels as V has lanes: `rows` of x, where the first one's window begins,
// `plane` floats from one of its planes to the next.
template <class V, Index kCount, class T>
void convolve(const float* rows, Index width, Index plane, Index planes, const float* weights, V bias, T* y,
              Index channels) {
  constexpr Index kWidth = kLanesOf<V>;
  V sums[kCount];
#pragma GCC unroll 8
  for (Index i = 0; i < kCount; ++i) sums[i] = bias;
  for (Index kd = 0; kd < planes; ++kd, rows += plane) {
    for (Index kh = 0; kh < 3; ++kh) {
#pragma GCC unroll 3
      for (Index kw = 0; kw < 3; ++kw, weights += kWidth) {
        const V w = load_as<V>(weights);
#pragma GCC unroll 8
        for (Index i = 0; i < kCount; ++i) sums[i] += rows[kh * width + kw + i] * w;
      }
    }
  }
#pragma GCC unroll 8
  for (Index i = 0; i < kCount; ++i) store(y + i * channels, sums[i]);
}

template <class V, class T>
void forward_as(const Padded& x, const Conv3dSpec& spec, ConstView w, ConstView b, const Shape& shape, T* y) {
  constexpr Index kWidth = kLanesOf<V>;
  const std::vector<float> weights = by_vectors<V>(w);
  const Index planes = spec.kernel[0], width = x.width(), plane = x.plane(0, 1) - x.plane(0, 0);
  parallel_for(shape.n * shape.d, [&](Index i) {
    const float* from = x.plane(i / shape.d, i % shape.d);
    for (Index h = 0; h < shape.h; ++h) {
      T* row = y + (i * shape.h + h) * shape.w * shape.c;
      for (Index c = 0; c < shape.c; c += kWidth) {
        const float* of_vector = weights.data() + c * planes * kPlane;
        const V bias = b ? load_as<V>(b.as<float>() + c) : V{};
        Index at = 0;
        for (; at + kVoxels <= shape.w; at += kVoxels) {
          convolve<V, kVoxels>(from + h * width + at, width, plane, planes, of_vector, bias,
                               row + at * shape.c + c, shape.c);
        }
        for (; at < shape.w; ++at) {
          convolve<V, 1>(from + h * width + at, width, plane, planes, of_vector, bias, row + at * shape.c + c,
                         shape.c);
        }
      }
    }
  });
}

// Adds to sums (9, lanes of V) the products of a plane of dy, as many of its channels, with the rows of x,
// `width` long, that one plane of the kernel meets.
template <class V, class T>
void add_plane(const float* from, Index width, const Shape& y, const T* dy, float* sums) {
  constexpr Index kWidth = kLanesOf<V>;
  V s[kPlane];
  for (Index tap = 0; tap < kPlane; ++tap) s[tap] = load_as<V>(sums + tap * kWidth);
  for (Index h = 0; h < y.h; ++h) {
    const float* row = from + h * width;
    for (Index w = 0; w < y.w; ++w, dy += y.c) {
      const V gradient = load_as<V>(dy);
#pragma GCC unroll 3
      for (Index kh = 0; kh < 3; ++kh) {
#pragma GCC unroll 3
        for (Index kw = 0; kw < 3; ++kw) s[kh * 3 + kw] += row[kh * width + w + kw] * gradient;
      }
    }
  }
  for (Index tap = 0; tap < kPlane; ++tap) store(sums + tap * kWidth, s[tap]);
}

// Sums as [vector of Co][kD][9][lanes of V].
template <class V>
void weights_gradient_as(const std::shared_ptr<Allocator>& memory, const Padded& x, const Conv3dSpec& spec,
                         ConstView dy, View dw, Accum accum) {
  constexpr Index kWidth = kLanesOf<V>;
  const Shape& y = dy.shape;
  const Index taps = spec.kernel[0] * kPlane;
  const TaskSums sums(memory, y.n * y.d, taps * y.c, [&](Index plane, float* sum) {
    with_float_or_bf16("conv3d", dy.dtype, [&](auto type) {
      const auto* gradient = dy.as<decltype(type)>() + plane * y.h * y.w * y.c;
      for (Index c = 0; c < y.c; c += kWidth) {
        for (Index kd = 0; kd < spec.kernel[0]; ++kd) {
          add_plane<V>(x.plane(plane / y.d, plane % y.d + kd), x.width(), y, gradient + c,
                       sum + (c * taps + kd * kPlane * kWidth));
        }
      }
    });
  });
  auto* out = dw.as<float>();
  for (Index c = 0; c < y.c; ++c) {
    for (Index tap = 0; tap < taps; ++tap) {
      float& result = out[c * taps + tap];
      const Index at = c / kWidth * kWidth * taps + tap * kWidth + c % kWidth;
      result = sums.total(at, accum == Accum::add ? result : 0.0F);
    }
  }
}

}  // namespace

bool fits(const Conv3dSpec& spec, const Shape& x, const Shape& w) {
  return spec.stride == Triple{1, 1, 1} && spec.kernel[1] == 3 && spec.kernel[2] == 3 && x.c == 1 &&
         w.n % kLanes == 0;
}

void forward(const std::shared_ptr<Allocator>& memory, const Conv3dSpec& spec, ConstView x, ConstView w,
             ConstView b, View y) {
  const Padded padded(memory, spec, x);
  with_float_or_bf16("conv3d", y.dtype, [&](auto type) {
    auto* to = y.as<decltype(type)>();
    if (y.shape.c % kVector == 0) return forward_as<Floats>(padded, spec, w, b, y.shape, to);
    forward_as<Eight>(padded, spec, w, b, y.shape, to);
  });
}

void weights_gradient(const std::shared_ptr<Allocator>& memory, const Conv3dSpec& spec, ConstView x,
                      ConstView dy, View dw, Accum accum) {
  const Padded padded(memory, spec, x);
  if (dy.shape.c % kVector == 0) return weights_gradient_as<Floats>(memory, padded, spec, dy, dw, accum);
  weights_gradient_as<Eight>(memory, padded, spec, dy, dw, accum);
}

}  // namespace duet::onednn::one_channel

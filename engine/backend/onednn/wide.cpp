#include "engine/backend/onednn/wide.h"

#include "engine/backend/onednn/loops.h"
#include "engine/memory/scratch.h"

namespace duet::onednn {
namespace {

constexpr Conv3dSpec kPointwise{{1, 1, 1}, {1, 1, 1}, {0, 0, 0}};

void check(const Shape& x, const ConstView& scale, const Shape& w, const Shape& y) {
  DUET_CHECK(w.voxels() == 1 && w.c == x.c && y == x.with_channels(w.n), "pointwise_conv: output ", y,
             " of input ", x, " and weights ", w);
  DUET_CHECK(!scale || scale.shape == (Shape{x.n, 1, 1, 1, x.c}), "pointwise_conv: scale ", scale.shape,
             " of input ", x);
}

Scratch floats(const std::shared_ptr<Allocator>& memory, const Shape& shape) {
  return {memory, static_cast<std::size_t>(shape.elements()) * sizeof(float), "pointwise_conv"};
}

// to (Co, Ci) = or += w times the factors of sample n, which belong to w's columns.
void scale_weights(ConstView w, ConstView scale, Index n, float* to, Accum accum) {
  const float *from = w.as<float>(), *factor = scale.as<float>() + n * w.shape.c;
  for (Index i = 0; i < w.shape.elements(); ++i) {
    const float value = from[i] * factor[i % w.shape.c];
    to[i] = accum == Accum::add ? to[i] + value : value;
  }
}

// The weights of each sample: w itself, or scaled into scratch.
class SampleWeights {
 public:
  SampleWeights(const std::shared_ptr<Allocator>& memory, ConstView w, ConstView scale)
      : w_(w), scale_(scale), scaled_(scale ? floats(memory, w.shape) : Scratch()) {}
  ConstView of(Index n) const {
    if (!scale_) return w_;
    scale_weights(w_, scale_, n, static_cast<float*>(scaled_.data()), Accum::write);
    return {scaled_.data(), w_.shape, DType::f32, 0};
  }

 private:
  ConstView w_, scale_;
  Scratch scaled_;
};

// Sample n of x in f32: x's own memory, or `room` where x is bf16.
ConstView widened(ConstView x, Index n, const Scratch& room) {
  const ConstView one = x.samples(n, n + 1);
  if (x.dtype == DType::f32) return one;
  widen(one, static_cast<float*>(room.data()));
  return {room.data(), one.shape, DType::f32, 0};
}

}  // namespace

void wide_forward(ConvolutionKernels& conv, const std::shared_ptr<Allocator>& memory, ConstView x,
                  ConstView scale, ConstView w, ConstView b, View y) {
  check(x.shape, scale, w.shape, y.shape);
  const bool widens = x.dtype != y.dtype;
  const SampleWeights weights(memory, w, scale);
  const Scratch wide = widens ? floats(memory, x.shape.with_batch(1)) : Scratch();
  for (Index n = 0; n < x.shape.n; ++n) {
    conv.conv3d_forward(kPointwise, widens ? widened(x, n, wide) : x.samples(n, n + 1), weights.of(n), b,
                        y.samples(n, n + 1));
  }
}

void wide_backward_data(ConvolutionKernels& conv, const std::shared_ptr<Allocator>& memory, ConstView dy,
                        ConstView scale, ConstView w, View dx, Accum accum) {
  check(dx.shape, scale, w.shape, dy.shape);
  const bool narrows = dx.dtype != dy.dtype;
  const SampleWeights weights(memory, w, scale);
  const Scratch wide = narrows ? floats(memory, dx.shape.with_batch(1)) : Scratch();
  for (Index n = 0; n < dx.shape.n; ++n) {
    const View part = dx.samples(n, n + 1);
    if (!narrows) {
      conv.conv3d_backward_data(kPointwise, dy.samples(n, n + 1), weights.of(n), part, accum);
      continue;
    }
    const View made{wide.data(), part.shape, DType::f32};
    conv.conv3d_backward_data(kPointwise, dy.samples(n, n + 1), weights.of(n), made, Accum::write);
    narrow(made, part, accum);
  }
}

void wide_backward_weights(ConvolutionKernels& conv, const std::shared_ptr<Allocator>& memory, ConstView x,
                           ConstView scale, ConstView dy, View dw, Accum accum) {
  check(x.shape, scale, dw.shape, dy.shape);
  const bool widens = x.dtype != dy.dtype;
  const Scratch own = scale ? floats(memory, dw.shape) : Scratch();
  const Scratch wide = widens ? floats(memory, x.shape.with_batch(1)) : Scratch();
  for (Index n = 0; n < x.shape.n; ++n) {
    const Accum onto = n > 0 ? Accum::add : accum;
    const View to = scale ? View{own.data(), dw.shape, DType::f32} : dw;
    conv.conv3d_backward_weights(kPointwise, widens ? widened(x, n, wide) : x.samples(n, n + 1),
                                 dy.samples(n, n + 1), to, scale ? Accum::write : onto);
    if (scale) scale_weights(to, scale, n, dw.as<float>(), onto);
  }
}

}  // namespace duet::onednn

// Any convolution by own kernels, as gathers: no atomics, sums in a fixed order. For f64, for what the
// vendor's library has no engine for, and for kernels with one channel on either side, as of a network's
// first layer, which it does slowly. Activations f32, f64 or bf16; w, b, dw of the master type. Called by
// convolution.cpp, which checks shapes and types.
#pragma once

#include "engine/backend/cuda/cuda.h"

namespace duet::cuda {

// The convolution x (N,D,H,W,Ci) by w (Co,kD,kH,kW,Ci) to y (N,D',H',W',Co).
struct Problem {
  Conv3dSpec spec;
  Shape x, w, y;
};

// Along one axis: what the taps of a window read.
struct Axis {
  int kernel = 1, stride = 1, padding = 0;
  int size = 1;  // of what is read

  // The place that tap k of output o reads, or -1 where that is outside.
  DUET_HOST_DEVICE int read_by(int o, int k) const {
    const int i = o * stride - padding + k;
    return i >= 0 && i < size ? i : -1;
  }
  // The output that reads place i by tap k, or -1 where there is none; `size` is that of outputs then.
  DUET_HOST_DEVICE int reader_of(int i, int k) const {
    const int offset = i + padding - k;
    if (offset < 0) return -1;
    const int o = stride == 1 ? offset : offset / stride;
    return o * stride == offset && o < size ? o : -1;
  }
};

// Along D, H, W, for reading a tensor of these sizes.
struct Axes {
  Axis d, h, w;
  Axes() = default;
  Axes(const Conv3dSpec& spec, const Shape& read)
      : d(axis(spec, 0, read.d)), h(axis(spec, 1, read.h)), w(axis(spec, 2, read.w)) {}

 private:
  static Axis axis(const Conv3dSpec& spec, std::size_t i, Index size) {
    return {static_cast<int>(spec.kernel[i]), static_cast<int>(spec.stride[i]),
            static_cast<int>(spec.padding[i]), static_cast<int>(size)};
  }
};

// y = or += x * w + b; b may be empty.
void direct_forward(const Room&, const Problem&, ConstView x, ConstView w, ConstView b, View y, Accum);
// dx = or += the gradient of y.
void direct_data(const Room&, const Problem&, ConstView dy, ConstView w, View dx, Accum);
// dw = or += the gradient, summed over samples.
void direct_weights(const Room&, const Problem&, ConstView x, ConstView dy, View dw, Accum);

}  // namespace duet::cuda

// What convolution.cpp and transposed.cpp share: sums in double over contiguous channels, and the free
// functions behind the class of convolution.cpp. Private to this folder.
#pragma once

#include "engine/kernels/convolution.h"

namespace duet::ref {

template <class T>
double dot(const T* a, const T* b, Index count) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (Index i = 0; i < count; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

// sums += factor * x.
template <class T>
void add_scaled(double factor, const T* x, double* sums, Index count) {
#pragma omp simd
  for (Index i = 0; i < count; ++i) sums[i] += factor * static_cast<double>(x[i]);
}

template <class T>
void store(const double* sums, T* to, Index count, Accum accum) {
  if (accum == Accum::add) {
    for (Index i = 0; i < count; ++i) to[i] = static_cast<T>(static_cast<double>(to[i]) + sums[i]);
  } else {
    for (Index i = 0; i < count; ++i) to[i] = static_cast<T>(sums[i]);
  }
}

// sums = b, or 0 where there is none.
template <class T>
void start(const T* b, double* sums, Index count) {
  for (Index i = 0; i < count; ++i) sums[i] = b ? static_cast<double>(b[i]) : 0.0;
}

inline void check_bias(const char* op, const ConstView& b, const Shape& y) {
  DUET_CHECK(!b || b.shape == Shape::vector(y.c), op, ": bias ", b.shape, " of output ", y);
}

// dw = or += sum over n and the positions o of `small` of small[n,o,a] * large[n, o stride - padding + k, c],
// where dw is (A, kD, kH, kW, C): with (dy, x) the weight gradient of the convolution, with (x, dy) that of
// the transposed one.
template <class T>
void window_products(const Conv3dSpec& spec, ConstView small, ConstView large, View dw, Accum accum);

// As in engine/kernels/convolution.h.
void conv_transpose3d_forward(const Conv3dSpec&, ConstView x, ConstView w, ConstView b, View y);
void conv_transpose3d_backward_data(const Conv3dSpec&, ConstView dy, ConstView w, View dx, Accum);
void conv_transpose3d_backward_weights(const Conv3dSpec&, ConstView x, ConstView dy, View dw, Accum);
void pointwise_conv_forward(ConstView x, ConstView scale, ConstView w, ConstView b, View y);
void pointwise_conv_backward_data(ConstView dy, ConstView scale, ConstView w, View dx, Accum);
void pointwise_conv_backward_weights(ConstView x, ConstView scale, ConstView dy, View dw, Accum);
void bias_backward(ConstView dy, View db, Accum);

}  // namespace duet::ref

#include "engine/backend/onednn/touching.h"

#include <vector>

#include "engine/backend/onednn/vectors.h"
#include "engine/core/parallel.h"

namespace duet::onednn::touching {
namespace {

constexpr Index kLanes = 8;

// to[r][...] = or += bias + sum over k of from[r][k] weights[k][...].
struct Product {
  const float *from, *weights, *bias;  // bias: or null
  float* to;
  Index length, from_stride;        // of k; from r to the next
  Index weights_stride, to_stride;  // from k to the next; from r to the next
  Accum accum;
};

// Of kCount rows, kVectors vectors from column `column` on.
template <Index kCount, Index kVectors>
void multiply(const Product& p, Index row, Index column) {
  Eight sums[kCount][kVectors];
  for (Index v = 0; v < kVectors; ++v) {
    const Eight b = p.bias ? load_as<Eight>(p.bias + column + v * kLanes) : Eight{};
    for (Index r = 0; r < kCount; ++r) sums[r][v] = b;
  }
  const float *weights = p.weights + column, *from = p.from + row * p.from_stride;
  for (Index k = 0; k < p.length; ++k, ++from, weights += p.weights_stride) {
    Eight w[kVectors];
#pragma GCC unroll 2
    for (Index v = 0; v < kVectors; ++v) w[v] = load_as<Eight>(weights + v * kLanes);
#pragma GCC unroll 8
    for (Index r = 0; r < kCount; ++r) {
      const float factor = from[r * p.from_stride];
#pragma GCC unroll 2
      for (Index v = 0; v < kVectors; ++v) sums[r][v] += factor * w[v];
    }
  }
  for (Index r = 0; r < kCount; ++r) {
    for (Index v = 0; v < kVectors; ++v) {
      float* to = p.to + (row + r) * p.to_stride + column + v * kLanes;
      store(to, p.accum == Accum::add ? load_as<Eight>(to) + sums[r][v] : sums[r][v]);
    }
  }
}

template <Index kVectors>
void multiply_columns(const Product& p, Index rows, Index column) {
  Index row = 0;
  for (; row + 6 <= rows; row += 6) multiply<6, kVectors>(p, row, column);
  if (row + 4 <= rows) {
    multiply<4, kVectors>(p, row, column);
    row += 4;
  }
  for (; row < rows; ++row) multiply<1, kVectors>(p, row, column);
}

void multiply(const Product& p, Index rows, Index columns) {
  Index column = 0;
  for (; column + 2 * kLanes <= columns; column += 2 * kLanes) multiply_columns<2>(p, rows, column);
  if (column < columns) multiply_columns<1>(p, rows, column);
}

}  // namespace

bool fits(const Conv3dSpec& spec, const Shape& x, const Shape& w) {
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const Index stride = spec.stride[axis];
    if (spec.kernel[axis] != stride || spec.padding[axis] != 0 || x.spatial()[axis] % stride != 0)
      return false;
  }
  return spec.stride != Triple{1, 1, 1} && x.c % kLanes == 0 && w.n % kLanes == 0;
}

// One row of dx at a time, all of its windows' part in it.
void data_gradient(const Conv3dSpec& spec, ConstView dy, ConstView w, ConstView b, View dx, Accum accum) {
  const Shape &in = dx.shape, &out = dy.shape;
  const Index length = spec.kernel[2] * in.c;  // of a window in a row of x
  std::vector<float> bias;                     // the same
  for (Index k = 0; b && k < spec.kernel[2]; ++k)
    bias.insert(bias.end(), b.as<float>(), b.as<float>() + in.c);
  parallel_for(in.n * in.d * in.h, [&](Index i) {
    const Index h = i % in.h, d = i / in.h % in.d, n = i / (in.h * in.d);
    const Index row = (n * out.d + d / spec.kernel[0]) * out.h + h / spec.kernel[1];
    const Index tap = (d % spec.kernel[0]) * spec.kernel[1] + h % spec.kernel[1];
    const Product product{.from = dy.as<float>() + row * out.w * out.c,
                          .weights = w.as<float>() + tap * length,
                          .bias = b ? bias.data() : nullptr,
                          .to = dx.as<float>() + i * in.w * in.c,
                          .length = out.c,
                          .from_stride = out.c,
                          .weights_stride = spec.kernel[0] * spec.kernel[1] * length,
                          .to_stride = length,
                          .accum = accum};
    multiply(product, out.w, length);
  });
}

}  // namespace duet::onednn::touching

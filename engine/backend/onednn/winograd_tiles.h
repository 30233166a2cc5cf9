// Winograd's minimal filtering (Lavin & Gray, CVPR 2016) of a 3 x 3 kernel over H and W: a tile is 2 x 4
// outputs from 4 x 6 inputs by 24 products instead of 72. Along H: F(2,3) with the points 0, 1, -1, infinity;
// along W: F(4,3) with 0, 1, -1, 1/2, -2, infinity, whose rounding in f32 is that of direct sums (2 and -2,
// or 1/2 and -1/2, lose up to three times more). Used by the loops of winograd.cpp and winograd_weights.cpp.
#pragma once

#include <array>

#include "engine/backend/onednn/vectors.h"

namespace duet::onednn::winograd {

constexpr Index kTileH = 2, kTileW = 4;    // outputs
constexpr Index kInputH = 4, kInputW = 6;  // inputs, and products
constexpr Index kPoints = kInputH * kInputW;

template <class V>
using Four = std::array<V, 4>;
template <class V>
using Six = std::array<V, 6>;

// Along W: the inputs of a tile towards the products.
template <class V>
Six<V> input_row(const Six<V>& d) {
  const V t = d[3] - d[1], s = d[4] - d[2];
  return {d[0] - d[2] + s + 1.5F * t,
          d[4] - d[1] + 0.5F * d[2] + 2.5F * d[3],
          d[4] + d[1] - 2.5F * d[2] + 0.5F * d[3],
          s + 2.0F * t,
          s - 0.5F * t,
          d[5] + d[1] - 2.0F * d[3] + 1.5F * s};
}

// The products towards outputs.
template <class V>
Four<V> output_row(const Six<V>& m) {
  const V sum = m[1] + m[2], difference = m[1] - m[2];
  return {m[0] + sum + m[3] + m[4], difference + 0.5F * m[3] - 2.0F * m[4], sum + 0.25F * m[3] + 4.0F * m[4],
          difference + 0.125F * m[3] - 8.0F * m[4] + m[5]};
}

// The transpose of output_row: gradients of outputs towards those of products.
template <class V>
Six<V> gradient_row(const Four<V>& y) {
  const V even = y[0] + y[2], odd = y[1] + y[3];
  return {y[0],
          even + odd,
          even - odd,
          y[0] + 0.5F * y[1] + 0.25F * y[2] + 0.125F * y[3],
          y[0] - 2.0F * y[1] + 4.0F * y[2] - 8.0F * y[3],
          y[3]};
}

// The kernel towards the products, and its transpose, whose three values are gradients of the kernel's.
template <class V>
Six<V> kernel_row(const std::array<V, 3>& g) {
  const V ends = g[0] + g[2];
  return {g[0],
          (ends + g[1]) * (1.0F / 3),
          (g[1] - ends) * (1.0F / 3),
          (-4.0F / 15) * (4.0F * g[0] + 2.0F * g[1] + g[2]),
          (1.0F / 15) * (g[0] - 2.0F * g[1] + 4.0F * g[2]),
          g[2]};
}
template <class V>
std::array<V, 3> kernel_gradient_row(const Six<V>& s) {
  const V thirds = (1.0F / 3) * (s[1] - s[2]), fourth = (4.0F / 15) * s[3], fifth = (1.0F / 15) * s[4];
  return {s[0] + thirds - 4.0F * fourth + fifth, (1.0F / 3) * (s[1] + s[2]) - 2.0F * (fourth + fifth),
          s[5] + thirds - fourth + 4.0F * fifth};
}

// Along H the same five, each point from its two or three terms.
template <class V>
Four<V> kernel_column(const std::array<V, 3>& g) {
  const V ends = 0.5F * (g[0] + g[2]), middle = 0.5F * g[1];
  return {-g[0], ends + middle, ends - middle, g[2]};
}
template <class V>
std::array<V, 3> kernel_gradient_column(const Four<V>& s) {
  const V half = 0.5F * (s[1] + s[2]);
  return {half - s[0], 0.5F * (s[1] - s[2]), half + s[3]};
}

// Products of one tile and 8 channels from its inputs: put(point, vector); at(i, j) is the input in row i,
// column j. Row by row of products, as 24 inputs do not fit the registers.
template <class At, class Put>
void transform_input(const At& at, const Put& put) {
  using V = decltype(at(0, 0));
  auto row = [&](Index a, const auto& combined) {
    Six<V> d;
#pragma GCC unroll 6
    for (Index j = 0; j < kInputW; ++j) d[static_cast<std::size_t>(j)] = combined(j);
    const Six<V> u = input_row(d);
#pragma GCC unroll 6
    for (Index j = 0; j < kInputW; ++j) put(a * kInputW + j, u[static_cast<std::size_t>(j)]);
  };
  row(0, [&](Index j) { return at(2, j) - at(0, j); });
  row(1, [&](Index j) { return at(1, j) + at(2, j); });
  row(2, [&](Index j) { return at(2, j) - at(1, j); });
  row(3, [&](Index j) { return at(3, j) - at(1, j); });
}

// A kernel and 8 channels towards the products: put(point, vector); at(i, j) is the weight in row i, column
// j.
template <class At, class Put>
void transform_kernel(const At& at, const Put& put) {
  using V = decltype(at(0, 0));
  Four<V> columns[3];
  for (Index j = 0; j < 3; ++j) columns[j] = kernel_column<V>({at(0, j), at(1, j), at(2, j)});
  for (std::size_t a = 0; a < kInputH; ++a) {
    const Six<V> row = kernel_row<V>({columns[0][a], columns[1][a], columns[2][a]});
    for (std::size_t b = 0; b < kInputW; ++b) put(static_cast<Index>(a * kInputW + b), row[b]);
  }
}

// Outputs of one tile and 8 channels: put(i, j, vector); at(point) is the sum of products.
template <class At, class Put>
void transform_output(const At& at, const Put& put) {
  using V = decltype(at(0));
  Six<V> first, second;
#pragma GCC unroll 6
  for (Index j = 0; j < kInputW; ++j) {
    const V middle = at(kInputW + j), low = at(2 * kInputW + j);
    first[static_cast<std::size_t>(j)] = at(j) + middle + low;
    second[static_cast<std::size_t>(j)] = middle - low + at(3 * kInputW + j);
  }
  const Four<V> top = output_row(first), bottom = output_row(second);
#pragma GCC unroll 4
  for (Index j = 0; j < kTileW; ++j) {
    put(0, j, top[static_cast<std::size_t>(j)]);
    put(1, j, bottom[static_cast<std::size_t>(j)]);
  }
}

// The transpose of transform_output: at(i, j) is the gradient of an output.
template <class At, class Put>
void transform_gradient(const At& at, const Put& put) {
  using V = decltype(at(0, 0));
  Four<V> top, bottom;
#pragma GCC unroll 4
  for (Index j = 0; j < kTileW; ++j) {
    top[static_cast<std::size_t>(j)] = at(0, j);
    bottom[static_cast<std::size_t>(j)] = at(1, j);
  }
  const Six<V> first = gradient_row(top), last = gradient_row(bottom);
#pragma GCC unroll 6
  for (Index j = 0; j < kInputW; ++j) {
    const V one = first[static_cast<std::size_t>(j)], two = last[static_cast<std::size_t>(j)];
    put(j, one);
    put(kInputW + j, one + two);
    put(2 * kInputW + j, one - two);
    put(3 * kInputW + j, two);
  }
}

}  // namespace duet::onednn::winograd

#include "engine/backend/onednn/thin.h"

#include <algorithm>
#include <array>
#include <type_traits>

#include "engine/backend/onednn/types.h"
#include "engine/backend/onednn/vectors.h"
#include "engine/core/parallel.h"
#include "engine/memory/scratch.h"

namespace duet::onednn {
namespace {

constexpr Index kMostOutputs = 8;
constexpr Index kMostInputs = 256;
constexpr Index kRows = 2048;  // rows of a chunk, all of one sample
constexpr Index kLanes = 8;

void check(const Shape& x, const ConstView& scale, const Shape& w, const Shape& y) {
  DUET_CHECK(w.voxels() == 1 && w.c == x.c && y == x.with_channels(w.n), "pointwise_conv: output ", y,
             " of input ", x, " and weights ", w);
  DUET_CHECK(!scale || scale.shape == (Shape{x.n, 1, 1, 1, x.c}), "pointwise_conv: scale ", scale.shape,
             " of input ", x);
}

// A sample's weights with its factors: (Co, Ci).
struct Weights {
  std::array<float, kMostOutputs * kMostInputs> w;
  Weights(ConstView weights, ConstView scale, Index n) {
    const Index ci = weights.shape.c;
    const float* from = weights.as<float>();
    const float* factor = scale ? scale.as<float>() + n * ci : nullptr;
    for (Index i = 0; i < weights.shape.n * ci; ++i) {
      w[static_cast<std::size_t>(i)] = factor ? from[i] * factor[i % ci] : from[i];
    }
  }
};

// Calls f(ci, co) with the sizes that matter as constants, so that the loops over them unroll.
template <class F>
void with_sizes(Index ci, Index co, const F& f) {
  const auto outputs = [&](auto inputs) {
    if (co == 2) return f(inputs, std::integral_constant<Index, 2>{});
    if (co == 3) return f(inputs, std::integral_constant<Index, 3>{});
    f(inputs, co);
  };
  if (ci == 8) return outputs(std::integral_constant<Index, 8>{});
  if (ci == 16) return outputs(std::integral_constant<Index, 16>{});
  if (ci == 32) return outputs(std::integral_constant<Index, 32>{});
  outputs(ci);
}

// Calls body(sample, first row, last row) over chunks of rows in parallel; chunk numbers go by sample, then
// row.
template <class Body>
void for_row_chunks(const Shape& x, const Body& body) {
  const Index rows = x.voxels(), chunks = (rows + kRows - 1) / kRows;
  parallel_for(x.n * chunks, [&](Index task) {
    const Index n = task / chunks, first = task % chunks * kRows;
    body(task, n, n * rows + first, n * rows + std::min(rows, first + kRows));
  });
}

// kLanes channels of kLanes rows, `stride` elements apart, turned: to[c] has channel c of every row. So sums
// over channels need no sums within a register.
template <class T>
void load_turned(const T* from, Index stride, Eight (&to)[kLanes]) {
  Eight rows[kLanes], pairs[kLanes], fours[kLanes];
#pragma GCC unroll 8
  for (Index r = 0; r < kLanes; ++r) rows[r] = load_as<Eight>(from + r * stride);
#pragma GCC unroll 4
  for (Index r = 0; r < kLanes; r += 2) {
    pairs[r] = __builtin_shufflevector(rows[r], rows[r + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    pairs[r + 1] = __builtin_shufflevector(rows[r], rows[r + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
#pragma GCC unroll 4
  for (const Index r : {0, 1, 4, 5}) {  // of rows 0 to 3 and 4 to 7: channels 0, 1 (and 4, 5), then 2, 3
    const Index half = r & 4, odd = r & 1;
    fours[half + 2 * odd] = __builtin_shufflevector(pairs[r], pairs[r + 2], 0, 1, 8, 9, 4, 5, 12, 13);
    fours[half + 2 * odd + 1] = __builtin_shufflevector(pairs[r], pairs[r + 2], 2, 3, 10, 11, 6, 7, 14, 15);
  }
#pragma GCC unroll 4
  for (Index c = 0; c < 4; ++c) {
    to[c] = __builtin_shufflevector(fours[c], fours[c + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    to[c + 4] = __builtin_shufflevector(fours[c], fours[c + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}

// y of kLanes rows; ci is a multiple of kLanes.
template <class From, class To, class Ci, class Co>
void turned_rows(const From* x, const float* weights, const float* bias, Ci ci, Co co, To* y) {
  Eight sums[kMostOutputs];
  for (Index c = 0; c < co; ++c) sums[c] = bias ? Eight{} + bias[c] : Eight{};
  for (Index i = 0; i < ci; i += kLanes) {
    Eight channels[kLanes];
    load_turned(x + i, ci, channels);
    for (Index c = 0; c < co; ++c) {
#pragma GCC unroll 8
      for (Index k = 0; k < kLanes; ++k) sums[c] += weights[c * ci + i + k] * channels[k];
    }
  }
  for (Index c = 0; c < co; ++c) {
    for (Index r = 0; r < kLanes; ++r) y[r * co + c] = To(sums[c][r]);
  }
}

}  // namespace

bool fits_thin(const Shape& x, const Shape& w) { return w.n <= kMostOutputs && x.c <= kMostInputs; }

void thin_forward(ConstView x, ConstView scale, ConstView w, ConstView b, View y) {
  check(x.shape, scale, w.shape, y.shape);
  DUET_CHECK(!b || b.shape == Shape::vector(y.shape.c), "pointwise_conv: bias ", b.shape, " of output ",
             y.shape);
  const float* bias = b ? b.as<float>() : nullptr;
  with_float_or_bf16("pointwise_conv", x.dtype, [&](auto from_type) {
    with_float_or_bf16("pointwise_conv", y.dtype, [&](auto to_type) {
      const auto* in = x.as<decltype(from_type)>();
      auto* out = y.as<decltype(to_type)>();
      with_sizes(x.shape.c, w.shape.n, [&](auto ci, auto co) {
        for_row_chunks(x.shape, [&](Index, Index n, Index first, Index last) {
          const Weights weights(w, scale, n);
          Index row = first;
          for (; ci % kLanes == 0 && row + kLanes <= last; row += kLanes)
            turned_rows(in + row * ci, weights.w.data(), bias, ci, co, out + row * co);
          for (; row < last; ++row) {
            const auto* at = in + row * ci;
            for (Index c = 0; c < co; ++c) {
              const float* wc = weights.w.data() + c * ci;
              float sum = 0;
#pragma omp simd reduction(+ : sum)
              for (Index i = 0; i < ci; ++i) sum += static_cast<float>(at[i]) * wc[i];
              out[row * co + c] = decltype(to_type)(bias ? sum + bias[c] : sum);
            }
          }
        });
      });
    });
  });
}

void thin_backward_data(ConstView dy, ConstView scale, ConstView w, View dx, Accum accum) {
  check(dx.shape, scale, w.shape, dy.shape);
  const bool add = accum == Accum::add;
  with_float_or_bf16("pointwise_conv", dy.dtype, [&](auto from_type) {
    with_float_or_bf16("pointwise_conv", dx.dtype, [&](auto to_type) {
      using To = decltype(to_type);
      const auto* in = dy.as<decltype(from_type)>();
      To* out = dx.as<To>();
      with_sizes(dx.shape.c, w.shape.n, [&](auto ci, auto co) {
        for_row_chunks(dx.shape, [&](Index, Index n, Index first, Index last) {
          const Weights weights(w, scale, n);
          for (Index row = first; row < last; ++row) {
            const auto* gradients = in + row * co;
            To* at = out + row * ci;
            Index i = 0;
            for (; i + kLanes <= ci; i += kLanes) {
              Eight sum = add ? load_as<Eight>(at + i) : Eight{};
              for (Index c = 0; c < co; ++c)
                sum += static_cast<float>(gradients[c]) * load_as<Eight>(weights.w.data() + c * ci + i);
              store(at + i, sum);
            }
            for (; i < ci; ++i) {
              float sum = add ? static_cast<float>(at[i]) : 0.0F;
              for (Index c = 0; c < co; ++c)
                sum += static_cast<float>(gradients[c]) * weights.w[static_cast<std::size_t>(c * ci + i)];
              at[i] = To(sum);
            }
          }
        });
      });
    });
  });
}

void thin_backward_weights(const std::shared_ptr<Allocator>& memory, ConstView x, ConstView scale,
                           ConstView dy, View dw, Accum accum) {
  check(x.shape, scale, dw.shape, dy.shape);
  const Index size = dw.shape.elements(), channels = dw.shape.c;
  const Index chunks = (x.shape.voxels() + kRows - 1) / kRows;
  const Scratch partial(memory, static_cast<std::size_t>(x.shape.n * chunks * size) * sizeof(float),
                        "pointwise_conv weight gradient");
  auto* parts = static_cast<float*>(partial.data());
  with_float_or_bf16("pointwise_conv", x.dtype, [&](auto x_type) {
    with_float_or_bf16("pointwise_conv", dy.dtype, [&](auto dy_type) {
      const auto* in = x.as<decltype(x_type)>();
      const auto* gradient = dy.as<decltype(dy_type)>();
      with_sizes(channels, dw.shape.n, [&](auto ci, auto co) {
        for_row_chunks(x.shape, [&](Index task, Index, Index first, Index last) {
          std::array<float, kMostOutputs * kMostInputs> sums;
          std::fill_n(sums.data(), size, 0.0F);
          for (Index row = first; row < last; ++row) {
            const auto* at = in + row * ci;
            for (Index c = 0; c < co; ++c) {
              const float g = gradient[row * co + c];
              float* sum = sums.data() + c * ci;
#pragma omp simd
              for (Index i = 0; i < ci; ++i) sum[i] += g * static_cast<float>(at[i]);
            }
          }
          std::copy_n(sums.data(), size, parts + task * size);
        });
      });
    });
  });
  float* out = dw.as<float>();
  for (Index i = 0; i < size; ++i) {
    double total = accum == Accum::add ? static_cast<double>(out[i]) : 0.0;
    for (Index task = 0; task < x.shape.n * chunks; ++task) {
      const float* factor = scale ? scale.as<float>() + task / chunks * channels : nullptr;
      const double part = static_cast<double>(parts[task * size + i]);
      total += factor ? part * static_cast<double>(factor[i % channels]) : part;
    }
    out[i] = static_cast<float>(total);
  }
}

}  // namespace duet::onednn

// The transposed convolution as its own loops, the 1x1x1 convolution as a matrix product, and the bias
// gradient. Summed in double; each output row is made by one thread in a fixed order.
#include <algorithm>
#include <vector>

#include "engine/backend/ref/convolution_parts.h"
#include "engine/backend/ref/window.h"
#include "engine/core/parallel.h"
#include "engine/kernels/dispatch.h"

namespace duet::ref {
namespace {

constexpr Index kRows = 16;        // output rows of a chunk
constexpr Index kBiasRows = 4096;  // rows that are summed before their sum is added to the others

// y[n,o,c'] = b[c'] + sum over c and (i, k) with i stride - padding + k = o of x[n,i,c] w[c,k,c'].
template <class T>
void transposed_forward(const Conv3dSpec& spec, ConstView x, ConstView w, ConstView b, View y) {
  const T *in = x.as<T>(), *weights = w.as<T>(), *bias = b ? b.as<T>() : nullptr;
  T* out = y.as<T>();
  const Index taps = w.shape.voxels(), ci = x.shape.c, co = y.shape.c;
  parallel_chunks(y.shape.rows(), kRows, [&](Index begin, Index end) {
    std::vector<double> sums(static_cast<std::size_t>(co));
    for (Index row = begin; row < end; ++row) {
      start(bias, sums.data(), co);
      for_windows(spec, x.shape, voxel_of(y.shape, row), [&](Index tap, Index from) {
        for (Index c = 0; c < ci; ++c) {
          add_scaled(static_cast<double>(in[from * ci + c]), weights + (c * taps + tap) * co, sums.data(),
                     co);
        }
      });
      store(sums.data(), out + row * co, co, Accum::write);
    }
  });
}

// dx[n,i,c] = sum over k, c' of dy[n, i stride - padding + k, c'] w[c,k,c'].
template <class T>
void transposed_backward_data(const Conv3dSpec& spec, ConstView dy, ConstView w, View dx, Accum accum) {
  const T *in = dy.as<T>(), *weights = w.as<T>();
  T* out = dx.as<T>();
  const Index taps = w.shape.voxels(), ci = dx.shape.c, co = dy.shape.c;
  parallel_chunks(dx.shape.rows(), kRows, [&](Index begin, Index end) {
    std::vector<double> sums(static_cast<std::size_t>(ci));
    for (Index row = begin; row < end; ++row) {
      start<T>(nullptr, sums.data(), ci);
      for_taps(spec, dy.shape, voxel_of(dx.shape, row), [&](Index tap, Index from) {
        for (Index c = 0; c < ci; ++c) {
          sums[static_cast<std::size_t>(c)] += dot(in + from * co, weights + (c * taps + tap) * co, co);
        }
      });
      store(sums.data(), out + row * ci, ci, accum);
    }
  });
}

void check_transposed(const Conv3dSpec& spec, const Shape& x, const Shape& w, const Shape& y) {
  const Shape expected = conv_transpose3d_output_shape(spec, x, w);
  DUET_CHECK(y == expected, "conv_transpose3d: output ", y, " of input ", x, " and weights ", w,
             " should be ", expected);
}

// x (rows, Ci), w (Co,1,1,1,Ci), y (rows, Co), scale (N,1,1,1,Ci) or empty.
void check_pointwise(const Shape& x, const ConstView& scale, const Shape& w, const Shape& y) {
  DUET_CHECK(w.voxels() == 1 && w.c == x.c && y == x.with_channels(w.n), "pointwise_conv: output ", y,
             " of input ", x, " and weights ", w);
  DUET_CHECK(!scale || scale.shape == (Shape{x.n, 1, 1, 1, x.c}), "pointwise_conv: scale ", scale.shape,
             " of input ", x);
}

// The factor of channel c of sample n, 1 where there is no scale.
template <class T>
double factor_of(const T* scale, Index n, Index channels, Index c) {
  return scale ? static_cast<double>(scale[n * channels + c]) : 1.0;
}

// Calls body(n, weights of sample n as double): w with each input channel times that sample's factor.
template <class T, class Body>
void for_scaled(ConstView w, ConstView scale, Index samples, const Body& body) {
  const T *weights = w.as<T>(), *factors = scale ? scale.as<T>() : nullptr;
  const Index count = w.shape.elements(), ci = w.shape.c;
  std::vector<double> scaled(static_cast<std::size_t>(count));
  for (Index n = 0; n < samples; ++n) {
    for (Index i = 0; i < count; ++i) {
      scaled[static_cast<std::size_t>(i)] =
          static_cast<double>(weights[i]) * factor_of(factors, n, ci, i % ci);
    }
    body(n, scaled.data());
  }
}

template <class T>
void matrix_forward(ConstView x, ConstView scale, ConstView w, ConstView b, View y) {
  const T* bias = b ? b.as<T>() : nullptr;
  const Index ci = x.shape.c, co = y.shape.c, rows = x.shape.voxels();
  for_scaled<T>(w, scale, x.shape.n, [&](Index n, const double* weights) {
    const T* in = x.as<T>() + n * rows * ci;
    T* out = y.as<T>() + n * rows * co;
    parallel_chunks(rows, kRows, [&](Index begin, Index end) {
      for (Index row = begin; row < end; ++row) {
        for (Index c = 0; c < co; ++c) {
          double sum = bias ? static_cast<double>(bias[c]) : 0.0;
          for (Index i = 0; i < ci; ++i) sum += static_cast<double>(in[row * ci + i]) * weights[c * ci + i];
          out[row * co + c] = static_cast<T>(sum);
        }
      }
    });
  });
}

template <class T>
void matrix_backward_data(ConstView dy, ConstView scale, ConstView w, View dx, Accum accum) {
  const Index ci = dx.shape.c, co = dy.shape.c, rows = dx.shape.voxels();
  for_scaled<T>(w, scale, dx.shape.n, [&](Index n, const double* weights) {
    const T* in = dy.as<T>() + n * rows * co;
    T* out = dx.as<T>() + n * rows * ci;
    parallel_chunks(rows, kRows, [&](Index begin, Index end) {
      std::vector<double> sums(static_cast<std::size_t>(ci));
      for (Index row = begin; row < end; ++row) {
        start<T>(nullptr, sums.data(), ci);
        for (Index c = 0; c < co; ++c) {
          add_scaled(static_cast<double>(in[row * co + c]), weights + c * ci, sums.data(), ci);
        }
        store(sums.data(), out + row * ci, ci, accum);
      }
    });
  });
}

template <class T>
void matrix_backward_weights(ConstView x, ConstView scale, ConstView dy, View dw, Accum accum) {
  const T *in = x.as<T>(), *gradient = dy.as<T>(), *factors = scale ? scale.as<T>() : nullptr;
  T* out = dw.as<T>();
  const Index ci = x.shape.c, co = dy.shape.c, rows = x.shape.voxels();
  parallel_for(co, [&](Index c) {
    std::vector<double> sums(static_cast<std::size_t>(ci), 0.0), of_sample(sums);
    for (Index n = 0; n < x.shape.n; ++n) {
      std::fill(of_sample.begin(), of_sample.end(), 0.0);
      for (Index row = n * rows; row < (n + 1) * rows; ++row) {
        add_scaled(static_cast<double>(gradient[row * co + c]), in + row * ci, of_sample.data(), ci);
      }
      for (Index i = 0; i < ci; ++i) {
        sums[static_cast<std::size_t>(i)] +=
            factor_of(factors, n, ci, i) * of_sample[static_cast<std::size_t>(i)];
      }
    }
    store(sums.data(), out + c * ci, ci, accum);
  });
}

template <class T>
void sum_rows(ConstView dy, View db, Accum accum) {
  const T* in = dy.as<T>();
  T* out = db.as<T>();
  const Index channels = dy.shape.c, rows = dy.shape.rows();
  const Index chunks = (rows + kBiasRows - 1) / kBiasRows;
  std::vector<double> sums(static_cast<std::size_t>(chunks * channels), 0.0);
  parallel_chunks(rows, kBiasRows, [&](Index begin, Index end) {
    double* part = sums.data() + begin / kBiasRows * channels;
    for (Index row = begin; row < end; ++row) add_scaled(1.0, in + row * channels, part, channels);
  });
  for (Index chunk = 1; chunk < chunks; ++chunk) {
    add_scaled(1.0, sums.data() + chunk * channels, sums.data(), channels);
  }
  store(sums.data(), out, channels, accum);
}

}  // namespace

void conv_transpose3d_forward(const Conv3dSpec& spec, ConstView x, ConstView w, ConstView b, View y) {
  check_transposed(spec, x.shape, w.shape, y.shape);
  check_bias("conv_transpose3d", b, y.shape);
  with_type("conv_transpose3d", x.dtype,
            [&](auto type) { transposed_forward<decltype(type)>(spec, x, w, b, y); });
}

void conv_transpose3d_backward_data(const Conv3dSpec& spec, ConstView dy, ConstView w, View dx, Accum accum) {
  check_transposed(spec, dx.shape, w.shape, dy.shape);
  with_type("conv_transpose3d", dy.dtype,
            [&](auto type) { transposed_backward_data<decltype(type)>(spec, dy, w, dx, accum); });
}

void conv_transpose3d_backward_weights(const Conv3dSpec& spec, ConstView x, ConstView dy, View dw,
                                       Accum accum) {
  check_transposed(spec, x.shape, dw.shape, dy.shape);
  with_type("conv_transpose3d", x.dtype,
            [&](auto type) { window_products<decltype(type)>(spec, x, dy, dw, accum); });
}

void pointwise_conv_forward(ConstView x, ConstView scale, ConstView w, ConstView b, View y) {
  check_pointwise(x.shape, scale, w.shape, y.shape);
  check_bias("pointwise_conv", b, y.shape);
  with_type("pointwise_conv", x.dtype, [&](auto type) { matrix_forward<decltype(type)>(x, scale, w, b, y); });
}

void pointwise_conv_backward_data(ConstView dy, ConstView scale, ConstView w, View dx, Accum accum) {
  check_pointwise(dx.shape, scale, w.shape, dy.shape);
  with_type("pointwise_conv", dy.dtype,
            [&](auto type) { matrix_backward_data<decltype(type)>(dy, scale, w, dx, accum); });
}

void pointwise_conv_backward_weights(ConstView x, ConstView scale, ConstView dy, View dw, Accum accum) {
  check_pointwise(x.shape, scale, dw.shape, dy.shape);
  with_type("pointwise_conv", x.dtype,
            [&](auto type) { matrix_backward_weights<decltype(type)>(x, scale, dy, dw, accum); });
}

void bias_backward(ConstView dy, View db, Accum accum) {
  check_bias("bias_backward", db, dy.shape);
  DUET_CHECK(db, "bias_backward: db is empty");
  with_type("bias_backward", dy.dtype, [&](auto type) { sum_rows<decltype(type)>(dy, db, accum); });
}

}  // namespace duet::ref

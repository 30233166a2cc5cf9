#include <cmath>

#include "engine/backend/ref/loss_parts.h"
#include "engine/kernels/dispatch.h"

namespace duet::ref {
// y_c = exp(x_c - m) / sum_c exp(x_c - m), m = max_c x_c
void softmax_forward(ConstView x, View y) {
  check_same("softmax", x.shape, y.shape);
  with_type("softmax", x.dtype, [&](auto t) {
    using T = decltype(t);
    for_voxels(x.shape, [in = x.as<T>(), out = y.as<T>()](Index v, auto channels) {
      const Index row = v * channels;
      const T* const from = in + row;
      T* const to = out + row;
      const T m = greatest(from, channels);
      for (Index c = 0; c < channels; ++c) to[c] = exp_nonpositive(from[c] - m);
      double sum = 0;
      for (Index c = 0; c < channels; ++c) sum += static_cast<double>(to[c]);
      const T scale = static_cast<T>(1.0 / sum);
      for (Index c = 0; c < channels; ++c) to[c] *= scale;
    });
  });
}

// dx = y (dy - sum_c y dy)
void softmax_backward(ConstView y, ConstView dy, View dx, Accum accum) {
  check_same("softmax_backward", y.shape, dy.shape);
  check_same("softmax_backward", y.shape, dx.shape);
  with_type("softmax_backward", y.dtype, [&](auto t) {
    using T = decltype(t);
    with_accum(accum, [&](auto add) {
      for_voxels(y.shape, [p = y.as<T>(), g = dy.as<T>(), out = dx.as<T>()](Index v, auto channels) {
        const Index row = v * channels;
        double sum = 0;
        for (Index c = 0; c < channels; ++c)
          sum += static_cast<double>(p[row + c]) * static_cast<double>(g[row + c]);
        const T s = static_cast<T>(sum);
        for (Index c = 0; c < channels; ++c) {
          put<decltype(add)::value>(out[row + c], p[row + c] * (g[row + c] - s));
        }
      });
    });
  });
}

// y_c = x_c - m - ln sum_c exp(x_c - m)
void log_softmax_forward(ConstView x, View y) {
  check_same("log_softmax", x.shape, y.shape);
  with_type("log_softmax", x.dtype, [&](auto t) {
    using T = decltype(t);
    for_voxels(x.shape, [in = x.as<T>(), out = y.as<T>()](Index v, auto channels) {
      const Index row = v * channels;
      const T m = greatest(in + row, channels);
      const T log_sum = static_cast<T>(std::log(static_cast<T>(sum_exp(in + row, m, channels))));
      for (Index c = 0; c < channels; ++c) out[row + c] = in[row + c] - m - log_sum;
    });
  });
}

// dx = dy - exp(y) sum_c dy
void log_softmax_backward(ConstView y, ConstView dy, View dx, Accum accum) {
  check_same("log_softmax_backward", y.shape, dy.shape);
  check_same("log_softmax_backward", y.shape, dx.shape);
  with_type("log_softmax_backward", y.dtype, [&](auto t) {
    using T = decltype(t);
    with_accum(accum, [&](auto add) {
      for_voxels(y.shape, [log_p = y.as<T>(), g = dy.as<T>(), out = dx.as<T>()](Index v, auto channels) {
        const Index row = v * channels;
        double sum = 0;
        for (Index c = 0; c < channels; ++c) sum += static_cast<double>(g[row + c]);
        const T s = static_cast<T>(sum);
        for (Index c = 0; c < channels; ++c) {
          put<decltype(add)::value>(out[row + c], g[row + c] - exp_nonpositive(log_p[row + c]) * s);
        }
      });
    });
  });
}

}  // namespace duet::ref

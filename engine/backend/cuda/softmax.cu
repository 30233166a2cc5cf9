#include "engine/backend/cuda/loss_parts.h"
#include "engine/backend/cuda/scores.h"

namespace duet::cuda {
namespace {

// y = softmax(x), or its logarithm x_c - m - ln sum_c exp(x_c - m), m = max_c x_c. y may be x.
template <class T, class Classes, bool kLog>
struct SoftmaxForward {
  const T* x;
  Classes classes;
  T* y;
  template <int W>
  DUET_HOST_DEVICE void at(Index first) const {
    const Rows<T, W, Classes> rows(x, first, classes);
    RowWriter<T, W, Classes> out(y, first, classes, Accum::write);
    DUET_UNROLL
    for (int j = 0; j < W; ++j) {
      const Softmax<T, Classes> p(rows.of(j), classes);
      if constexpr (kLog) {
        const T log_sum = std::log(p.sum);
        for (Index c = 0; c < classes; ++c) out.put(j, c, p.below(c) - log_sum);
      } else {
        for (Index c = 0; c < classes; ++c) out.put(j, c, p(c));
      }
    }
    out.finish();
  }
};

// dx = or += y (dy - sum_c y dy); of the logarithm dy - exp(y) sum_c dy.
template <class T, class Classes, bool kLog>
struct SoftmaxBackward {
  const T *y, *dy;
  Classes classes;
  T* dx;
  Accum accum;
  template <int W>
  DUET_HOST_DEVICE void at(Index first) const {
    const Rows<T, W, Classes> ys(y, first, classes), gradients(dy, first, classes);
    RowWriter<T, W, Classes> out(dx, first, classes, accum);
    DUET_UNROLL
    for (int j = 0; j < W; ++j) {
      const T *p = ys.of(j), *g = gradients.of(j);
      SumOf<T, Classes> total = 0;
      for (Index c = 0; c < classes; ++c) {
        total += static_cast<SumOf<T, Classes>>(kLog ? g[c] : p[c] * g[c]);
      }
      const T sum = static_cast<T>(total);
      for (Index c = 0; c < classes; ++c) {
        out.put(j, c, kLog ? g[c] - std::exp(p[c]) * sum : p[c] * (g[c] - sum));
      }
    }
    out.finish();
  }
};

template <bool kLog>
void forward(const Room& room, const char* kernel, ConstView x, View y) {
  check_same(kernel, x.shape, y.shape);
  with_type(kernel, x.dtype, [&](auto type) {
    using T = decltype(type);
    with_classes(x.shape.c, aligned(x.data, y.data), [&](auto classes) {
      using Classes = decltype(classes);
      for_voxels<T>(*room.driver, kernel, x.shape.rows(), classes,
                    SoftmaxForward<T, Classes, kLog>{x.as<T>(), classes, y.as<T>()});
    });
  });
}

template <bool kLog>
void backward(const Room& room, const char* kernel, ConstView y, ConstView dy, View dx, Accum accum) {
  check_same(kernel, y.shape, dy.shape);
  check_same(kernel, y.shape, dx.shape);
  with_type(kernel, y.dtype, [&](auto type) {
    using T = decltype(type);
    with_classes(y.shape.c, aligned(y.data, dy.data, dx.data), [&](auto classes) {
      using Classes = decltype(classes);
      for_voxels<T>(*room.driver, kernel, y.shape.rows(), classes,
                    SoftmaxBackward<T, Classes, kLog>{y.as<T>(), dy.as<T>(), classes, dx.as<T>(), accum});
    });
  });
}

}  // namespace

void softmax_forward(const Room& room, ConstView x, View y) { forward<false>(room, "softmax", x, y); }
void softmax_backward(const Room& room, ConstView y, ConstView dy, View dx, Accum accum) {
  backward<false>(room, "softmax_backward", y, dy, dx, accum);
}
void log_softmax_forward(const Room& room, ConstView x, View y) { forward<true>(room, "log_softmax", x, y); }
void log_softmax_backward(const Room& room, ConstView y, ConstView dy, View dx, Accum accum) {
  backward<true>(room, "log_softmax_backward", y, dy, dx, accum);
}

}  // namespace duet::cuda

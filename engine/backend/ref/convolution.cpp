// Convolution as its formula says, summed in double: the oracle of the faster backends. Cross-correlation:
//   y[n,o,c'] = b[c'] + sum over k, c of x[n, o stride - padding + k, c] w[c',k,c]
// Each output row is made by one thread in a fixed order, so results do not depend on the number of threads.
#include <vector>

#include "engine/backend/ref/convolution_parts.h"
#include "engine/backend/ref/ref.h"
#include "engine/backend/ref/widened.h"
#include "engine/backend/ref/window.h"
#include "engine/core/parallel.h"
#include "engine/kernels/dispatch.h"

namespace duet::ref {

template <class T>
void window_products(const Conv3dSpec& spec, ConstView small, ConstView large, View dw, Accum accum) {
  const T *s = small.as<T>(), *l = large.as<T>();
  T* out = dw.as<T>();
  const Shape &from = small.shape, &to = large.shape;
  const Index taps = dw.shape.voxels(), channels = dw.shape.c;
  parallel_for(dw.shape.n * taps, [&](Index row) {  // one row of dw: (a, k)
    const Index a = row / taps;
    const Voxel k = voxel_of(dw.shape, row);
    std::vector<double> sums(static_cast<std::size_t>(channels), 0.0);
    for (Index n = 0; n < from.n; ++n) {
      for (Index od = 0; od < from.d; ++od) {
        const Index d = od * spec.stride[0] - spec.padding[0] + k.d;
        if (!inside(d, to.d)) continue;
        for (Index oh = 0; oh < from.h; ++oh) {
          const Index h = oh * spec.stride[1] - spec.padding[1] + k.h;
          if (!inside(h, to.h)) continue;
          for (Index ow = 0; ow < from.w; ++ow) {
            const Index w = ow * spec.stride[2] - spec.padding[2] + k.w;
            if (!inside(w, to.w)) continue;
            const T factor = s[row_of(from, {n, od, oh, ow}) * from.c + a];
            add_scaled(static_cast<double>(factor), l + row_of(to, {n, d, h, w}) * channels, sums.data(),
                       channels);
          }
        }
      }
    }
    store(sums.data(), out + row * channels, channels, accum);
  });
}

template void window_products<float>(const Conv3dSpec&, ConstView, ConstView, View, Accum);
template void window_products<double>(const Conv3dSpec&, ConstView, ConstView, View, Accum);

namespace {

constexpr Index kRows = 16;  // output rows of a chunk

template <class T>
void forward(const Conv3dSpec& spec, ConstView x, ConstView w, ConstView b, View y) {
  const T *in = x.as<T>(), *weights = w.as<T>(), *bias = b ? b.as<T>() : nullptr;
  T* out = y.as<T>();
  const Index taps = w.shape.voxels(), ci = x.shape.c, co = y.shape.c;
  parallel_chunks(y.shape.rows(), kRows, [&](Index begin, Index end) {
    std::vector<double> sums(static_cast<std::size_t>(co));
    for (Index row = begin; row < end; ++row) {
      start(bias, sums.data(), co);
      for_taps(spec, x.shape, voxel_of(y.shape, row), [&](Index tap, Index from) {
        for (Index c = 0; c < co; ++c) {
          sums[static_cast<std::size_t>(c)] += dot(in + from * ci, weights + (c * taps + tap) * ci, ci);
        }
      });
      store(sums.data(), out + row * co, co, Accum::write);
    }
  });
}

// dx[n,i,c] = sum over c' and (o, k) with o stride - padding + k = i of dy[n,o,c'] w[c',k,c].
template <class T>
void backward_data(const Conv3dSpec& spec, ConstView dy, ConstView w, View dx, Accum accum) {
  const T *in = dy.as<T>(), *weights = w.as<T>();
  T* out = dx.as<T>();
  const Index taps = w.shape.voxels(), ci = dx.shape.c, co = dy.shape.c;
  parallel_chunks(dx.shape.rows(), kRows, [&](Index begin, Index end) {
    std::vector<double> sums(static_cast<std::size_t>(ci));
    for (Index row = begin; row < end; ++row) {
      start<T>(nullptr, sums.data(), ci);
      for_windows(spec, dy.shape, voxel_of(dx.shape, row), [&](Index tap, Index from) {
        for (Index c = 0; c < co; ++c) {
          add_scaled(static_cast<double>(in[from * co + c]), weights + (c * taps + tap) * ci, sums.data(),
                     ci);
        }
      });
      store(sums.data(), out + row * ci, ci, accum);
    }
  });
}

void check_output(const Conv3dSpec& spec, const Shape& x, const Shape& w, const Shape& y) {
  const Shape expected = conv3d_output_shape(spec, x, w);
  DUET_CHECK(y == expected, "conv3d: output ", y, " of input ", x, " and weights ", w, " should be ",
             expected);
}

// The loops are for float and double; bf16 activations pass through float scratch.
class RefConvolution final : public ConvolutionKernels {
 public:
  explicit RefConvolution(std::shared_ptr<Allocator> memory) : memory_(std::move(memory)) {}

  void conv3d_forward(const Conv3dSpec& spec, ConstView x, ConstView w, ConstView b, View y) override {
    check_output(spec, x.shape, w.shape, y.shape);
    check_bias("conv3d", b, y.shape);
    const Widened in(memory_, x);
    const Rounded out(memory_, y, Accum::write);
    with_type("conv3d", in.view.dtype, [&](auto t) { forward<decltype(t)>(spec, in.view, w, b, out.view); });
    out.store();
  }
  void conv3d_backward_data(const Conv3dSpec& spec, ConstView dy, ConstView w, View dx,
                            Accum accum) override {
    check_output(spec, dx.shape, w.shape, dy.shape);
    const Widened in(memory_, dy);
    const Rounded out(memory_, dx, accum);
    with_type("conv3d", in.view.dtype,
              [&](auto t) { backward_data<decltype(t)>(spec, in.view, w, out.view, accum); });
    out.store();
  }
  void conv3d_backward_weights(const Conv3dSpec& spec, ConstView x, ConstView dy, View dw,
                               Accum accum) override {
    check_output(spec, x.shape, dw.shape, dy.shape);
    const Widened in(memory_, x), gradient(memory_, dy);
    with_type("conv3d", in.view.dtype,
              [&](auto t) { window_products<decltype(t)>(spec, gradient.view, in.view, dw, accum); });
  }

  void conv_transpose3d_forward(const Conv3dSpec& spec, ConstView x, ConstView w, ConstView b,
                                View y) override {
    const Widened in(memory_, x);
    const Rounded out(memory_, y, Accum::write);
    ref::conv_transpose3d_forward(spec, in.view, w, b, out.view);
    out.store();
  }
  void conv_transpose3d_backward_data(const Conv3dSpec& spec, ConstView dy, ConstView w, View dx,
                                      Accum accum) override {
    const Widened in(memory_, dy);
    const Rounded out(memory_, dx, accum);
    ref::conv_transpose3d_backward_data(spec, in.view, w, out.view, accum);
    out.store();
  }
  void conv_transpose3d_backward_weights(const Conv3dSpec& spec, ConstView x, ConstView dy, View dw,
                                         Accum accum) override {
    ref::conv_transpose3d_backward_weights(spec, Widened(memory_, x).view, Widened(memory_, dy).view, dw,
                                           accum);
  }

  void pointwise_conv_forward(ConstView x, ConstView scale, ConstView w, ConstView b, View y) override {
    const Widened in(memory_, x);
    const Rounded out(memory_, y, Accum::write);
    ref::pointwise_conv_forward(in.view, scale, w, b, out.view);
    out.store();
  }
  void pointwise_conv_backward_data(ConstView dy, ConstView scale, ConstView w, View dx,
                                    Accum accum) override {
    const Widened in(memory_, dy);
    const Rounded out(memory_, dx, accum);
    ref::pointwise_conv_backward_data(in.view, scale, w, out.view, accum);
    out.store();
  }
  void pointwise_conv_backward_weights(ConstView x, ConstView scale, ConstView dy, View dw,
                                       Accum accum) override {
    ref::pointwise_conv_backward_weights(Widened(memory_, x).view, scale, Widened(memory_, dy).view, dw,
                                         accum);
  }
  void bias_backward(ConstView dy, View db, Accum accum) override {
    ref::bias_backward(Widened(memory_, dy).view, db, accum);
  }

  std::string implementation(ConvPass, const Conv3dSpec&, const Shape&, const Shape&, DType) override {
    return "ref:direct";
  }

 private:
  std::shared_ptr<Allocator> memory_;
};

}  // namespace
}  // namespace duet::ref

namespace duet {

std::unique_ptr<ConvolutionKernels> make_ref_convolution(std::shared_ptr<Allocator> memory) {
  return std::make_unique<ref::RefConvolution>(std::move(memory));
}

}  // namespace duet

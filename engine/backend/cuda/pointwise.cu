// What acts on each element alone, in packs of 128 bits.
#include "engine/backend/cuda/channels.h"
#include "engine/backend/cuda/columns.h"
#include "engine/backend/cuda/cuda.h"
#include "engine/backend/cuda/dropout.h"
#include "engine/kernels/dispatch.h"
#include "engine/kernels/functors.h"

namespace duet::cuda {
namespace {

template <class T>
struct Fill {
  T* y;
  T value;
  template <int W>
  DUET_HOST_DEVICE void at(Index first) const {
    Pack<T, W> values;
    for (int i = 0; i < W; ++i) values.v[i] = value;
    *reinterpret_cast<Pack<T, W>*>(y + first) = values;
  }
};

template <class From, class To>
struct Convert {
  const From* x;
  To* y;
  template <int W>
  DUET_HOST_DEVICE void at(Index first) const {
    const Pack<From, W> in = *reinterpret_cast<const Pack<From, W>*>(x + first);
    Pack<To, W> out;
    for (int i = 0; i < W; ++i) out.v[i] = To(static_cast<Compute<To>>(in.v[i]));
    *reinterpret_cast<Pack<To, W>*>(y + first) = out;
  }
};

// y = or += f(x).
template <class T, class F>
struct Unary {
  const T* x;
  T* y;
  F f;
  Accum accum;
  template <int W>
  DUET_HOST_DEVICE void at(Index first) const {
    auto values = load<W>(x, first);
    for (int i = 0; i < W; ++i) values.v[i] = f(values.v[i]);
    store<W>(y, first, values, accum);
  }
};

// y = or += f(a, b).
template <class T, class F>
struct Binary {
  const T *a, *b;
  T* y;
  F f;
  Accum accum;
  template <int W>
  DUET_HOST_DEVICE void at(Index first) const {
    auto values = load<W>(a, first);
    const auto others = load<W>(b, first);
    for (int i = 0; i < W; ++i) values.v[i] = f(values.v[i], others.v[i]);
    store<W>(y, first, values, accum);
  }
};

// y = or += factor[0] x.
template <class T>
struct ScaleBy {
  const T *x, *factor;
  T* y;
  Accum accum;
  template <int W>
  DUET_HOST_DEVICE void at(Index first) const {
    auto values = load<W>(x, first);
    for (int i = 0; i < W; ++i) values.v[i] *= factor[0];
    store<W>(y, first, values, accum);
  }
};

// y = or += x > 0 ? values : slope values, a slope a channel or one for all (step 0).
template <class T>
struct Prelu {
  const T *x, *values;
  const Compute<T>* slope;
  Index step;
  Divider channels;
  T* y;
  Accum accum;
  DUET_HOST_DEVICE void operator()(Index i) const {
    Index rest = i;
    const Index c = channels.take(rest) * step;
    const auto v = static_cast<Compute<T>>(values[i]);
    store_one(y, i, static_cast<Compute<T>>(x[i]) > 0 ? v : slope[c] * v, accum);
  }
};

// The slope's gradient: sum of x dy where x <= 0, by channel.
template <class T>
struct SlopeTerms {
  const T *x, *dy;
  Index channels;
  template <int W>
  DUET_HOST_DEVICE void add(Index, Index row, Index column, double* sums) const {
    const Index at = row * channels + column;
    const auto value = static_cast<Compute<T>>(x[at]);
    if (!(value > 0))
      sums[0] += static_cast<double>(value) * static_cast<double>(static_cast<Compute<T>>(dy[at]));
  }
};

template <class C>
struct StoreSums {
  C* to;
  Accum accum;
  DUET_HOST_DEVICE void operator()(Index, Index column, const double* sums) const {
    to[column] = static_cast<C>(accum == Accum::add ? static_cast<double>(to[column]) + sums[0] : sums[0]);
  }
};

class CudaPointwise final : public PointwiseKernels {
 public:
  explicit CudaPointwise(const Room& room) : room_(room) {}

  void fill(View y, double value) override {
    switch (y.dtype) {
      case DType::f32:
        return fill_with(y, static_cast<float>(value));
      case DType::f64:
        return fill_with(y, value);
      case DType::u8:
        return fill_with(y, static_cast<std::uint8_t>(value));
      case DType::i32:
        return fill_with(y, static_cast<std::int32_t>(value));
      case DType::bf16:
        return fill_with(y, bf16(static_cast<float>(value)));
    }
  }

  void convert(ConstView x, View y) override {
    check_same("convert", x.shape, y.shape);
    with_storage("convert", x.dtype, [&](auto from) {
      with_storage("convert", y.dtype, [&](auto to) {
        using From = decltype(from);
        using To = decltype(to);
        const Convert<From, To> f{x.as<From>(), y.as<To>()};
        constexpr int W = std::min(kPack<From>, kPack<To>);
        const Index elements = y.shape.elements();
        if (aligned(x.data, y.data)) {
          for_items(driver(), "convert", ceil_divide(elements, W),
                    InPacks<W, Convert<From, To>>{f, elements});
        } else {
          for_items(driver(), "convert", elements, InPacks<1, Convert<From, To>>{f, elements});
        }
      });
    });
  }

  void scale(ConstView x, double factor, View y, Accum accum) override {
    unary("scale", x, y, accum, functors::Scale{factor});
  }
  void scale_by(ConstView x, ConstView factor, View y, Accum accum) override {
    check_same("scale_by", x.shape, y.shape);
    with_type("scale_by", x.dtype, [&](auto type) {
      using T = decltype(type);
      for_packs<T>(driver(), "scale_by", y.shape.elements(), aligned(x.data, y.data),
                   ScaleBy<T>{x.as<T>(), factor.as<T>(), y.as<T>(), accum});
    });
  }
  void add(ConstView a, ConstView b, View y) override {
    binary("add", a, b, y, Accum::write, functors::Add{});
  }
  void multiply(ConstView a, ConstView b, View y, Accum accum) override {
    binary("multiply", a, b, y, accum, functors::Multiply{});
  }
  void leaky_relu_forward(ConstView x, double slope, View y) override {
    unary("leaky_relu_forward", x, y, Accum::write, functors::LeakyRelu{slope});
  }
  void leaky_relu_backward(ConstView y, ConstView dy, double slope, View dx, Accum accum) override {
    binary("leaky_relu_backward", y, dy, dx, accum, functors::LeakyReluGradient{slope});
  }

  void prelu_forward(ConstView x, ConstView slope, View y) override {
    check_same("prelu_forward", x.shape, y.shape);
    prelu("prelu_forward", x, x, slope, y, Accum::write);
  }
  void prelu_backward_data(ConstView x, ConstView dy, ConstView slope, View dx, Accum accum) override {
    check_same("prelu_backward_data", x.shape, dy.shape);
    check_same("prelu_backward_data", x.shape, dx.shape);
    prelu("prelu_backward_data", x, dy, slope, dx, accum);
  }
  void prelu_backward_slope(ConstView x, ConstView dy, View dslope, Accum accum) override {
    check_same("prelu_backward_slope", x.shape, dy.shape);
    check_slope(x, dslope);
    with_storage("prelu_backward_slope", x.dtype, [&](auto type) {
      using T = decltype(type);
      const Index columns = dslope.shape.c, rows = x.shape.elements() / columns;
      sum_columns<1, 1>(driver(), room_.memory, "prelu_backward_slope", {1, rows, columns},
                        SlopeTerms<T>{x.as<T>(), dy.as<T>(), columns},
                        StoreSums<Compute<T>>{dslope.as<Compute<T>>(), accum});
    });
  }

  void dropout(const DropoutSpec& spec, ConstView x, View y, Accum accum) override {
    drop(room_, spec, x, y, accum);
  }
  void dropout_factors(const DropoutSpec& spec, View factors) override {
    make_dropout_factors(room_, spec, factors);
  }

 private:
  Driver& driver() const { return *room_.driver; }

  template <class T>
  void fill_with(View y, T value) {
    for_packs<T>(driver(), "fill", y.shape.elements(), aligned(y.data), Fill<T>{y.as<T>(), value});
  }
  template <class F>
  void unary(const char* kernel, ConstView x, View y, Accum accum, const F& f) {
    check_same(kernel, x.shape, y.shape);
    with_storage(kernel, x.dtype, [&](auto type) {
      using T = decltype(type);
      for_packs<T>(driver(), kernel, y.shape.elements(), aligned(x.data, y.data),
                   Unary<T, F>{x.as<T>(), y.as<T>(), f, accum});
    });
  }
  template <class F>
  void binary(const char* kernel, ConstView a, ConstView b, View y, Accum accum, const F& f) {
    check_same(kernel, a.shape, b.shape);
    check_same(kernel, a.shape, y.shape);
    with_storage(kernel, a.dtype, [&](auto type) {
      using T = decltype(type);
      for_packs<T>(driver(), kernel, y.shape.elements(), aligned(a.data, b.data, y.data),
                   Binary<T, F>{a.as<T>(), b.as<T>(), y.as<T>(), f, accum});
    });
  }
  static void check_slope(ConstView x, ConstView slope) {
    DUET_CHECK(slope.shape == Shape::vector(x.shape.c) || slope.shape == Shape::scalar(), "prelu: slope ",
               slope.shape, " does not fit ", x.shape);
  }
  void prelu(const char* kernel, ConstView x, ConstView values, ConstView slope, View y, Accum accum) {
    check_slope(x, slope);
    with_storage(kernel, x.dtype, [&](auto type) {
      using T = decltype(type);
      for_items(driver(), kernel, y.shape.elements(),
                Prelu<T>{x.as<T>(), values.as<T>(), slope.as<Compute<T>>(), slope.shape.c > 1 ? 1 : 0,
                         Divider{x.shape.c}, y.as<T>(), accum});
    });
  }

  Room room_;
};

}  // namespace

std::unique_ptr<PointwiseKernels> make_pointwise(const Room& room) {
  return std::make_unique<CudaPointwise>(room);
}

}  // namespace duet::cuda

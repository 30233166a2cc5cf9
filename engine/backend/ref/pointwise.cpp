#include "engine/backend/ref/chunks.h"
#include "engine/backend/ref/dropout.h"
#include "engine/backend/ref/ref.h"
#include "engine/backend/ref/scratch.h"
#include "engine/kernels/dispatch.h"
#include "engine/kernels/functors.h"

namespace duet {
namespace {

using namespace ref;

// y[i] = or += value(i) for every element. value must hold plain pointers by value, so that the loop
// vectorises.
template <class T, class Value>
void map(View y, Accum accum, const Value& value) {
  T* const out = y.as<T>();
  with_accum(accum, [&](auto add) {
    parallel_chunks(y.shape.elements(), kChunk, [&](Index begin, Index end) {
      T* const to = out;
      const Value at = value;
#pragma omp simd
      for (Index i = begin; i < end; ++i) put<decltype(add)::value>(to[i], at(i));
    });
  });
}

void check_slope(ConstView x, ConstView slope) {
  DUET_CHECK(slope.shape == Shape::vector(x.shape.c) || slope.shape == Shape::scalar(), "prelu: slope ",
             slope.shape, " does not fit ", x.shape);
}

class RefPointwise final : public PointwiseKernels {
 public:
  explicit RefPointwise(std::shared_ptr<Allocator> memory) : memory_(std::move(memory)) {}

  void fill(View y, double value) override {
    auto fill_with = [&](auto v) { map<decltype(v)>(y, Accum::write, [v](Index) { return v; }); };
    switch (y.dtype) {
      case DType::f32:
        return fill_with(static_cast<float>(value));
      case DType::f64:
        return fill_with(value);
      case DType::u8:
        return fill_with(static_cast<std::uint8_t>(value));
      case DType::i32:
        return fill_with(static_cast<std::int32_t>(value));
      case DType::bf16:
        return fill_with(bf16(static_cast<float>(value)));
    }
  }

  void scale(ConstView x, double factor, View y, Accum accum) override {
    check_same("scale", x.shape, y.shape);
    with_storage("scale", x.dtype, [&](auto t) {
      using T = decltype(t);
      const functors::Scale f{factor};
      map<T>(y, accum, [f, x = x.as<T>()](Index i) { return f(Compute<T>(x[i])); });
    });
  }

  void scale_by(ConstView x, ConstView factor, View y, Accum accum) override {
    with_type("scale_by", x.dtype,
              [&](auto t) { scale(x, static_cast<double>(*factor.as<decltype(t)>()), y, accum); });
  }

  void convert(ConstView x, View y) override {
    check_same("convert", x.shape, y.shape);
    with_storage("convert", x.dtype, [&](auto from) {
      with_storage("convert", y.dtype, [&](auto to) {
        using T = decltype(to);
        map<T>(y, Accum::write,
               [x = x.as<decltype(from)>()](Index i) { return static_cast<Compute<T>>(x[i]); });
      });
    });
  }

  void add(ConstView a, ConstView b, View y) override {
    binary("add", a, b, y, Accum::write, functors::Add{});
  }
  void multiply(ConstView a, ConstView b, View y, Accum accum) override {
    binary("multiply", a, b, y, accum, functors::Multiply{});
  }

  void leaky_relu_forward(ConstView x, double slope, View y) override {
    check_same("leaky_relu_forward", x.shape, y.shape);
    with_storage("leaky_relu_forward", x.dtype, [&](auto t) {
      using T = decltype(t);
      const functors::LeakyRelu f{slope};
      map<T>(y, Accum::write, [f, x = x.as<T>()](Index i) { return f(Compute<T>(x[i])); });
    });
  }
  void leaky_relu_backward(ConstView y, ConstView dy, double slope, View dx, Accum accum) override {
    binary("leaky_relu_backward", y, dy, dx, accum, functors::LeakyReluGradient{slope});
  }

  void prelu_forward(ConstView x, ConstView slope, View y) override {
    check_same("prelu_forward", x.shape, y.shape);
    prelu(x, x, slope, y, Accum::write);
  }
  // The derivative of y towards x is 1 or the slope, so dx is dy as y is x.
  void prelu_backward_data(ConstView x, ConstView dy, ConstView slope, View dx, Accum accum) override {
    check_same("prelu_backward_data", x.shape, dy.shape);
    check_same("prelu_backward_data", x.shape, dx.shape);
    prelu(x, dy, slope, dx, accum);
  }
  void prelu_backward_slope(ConstView x, ConstView dy, View dslope, Accum accum) override {
    check_same("prelu_backward_slope", x.shape, dy.shape);
    check_slope(x, dslope);
    with_storage("prelu_backward_slope", x.dtype,
                 [&](auto t) { slope_gradient<decltype(t)>(x, dy, dslope, accum); });
  }

  void dropout(const DropoutSpec& spec, ConstView x, View y, Accum accum) override {
    ref::dropout(memory_, spec, x, y, accum);
  }
  void dropout_factors(const DropoutSpec& spec, View factors) override {
    ref::dropout_factors(spec, factors);
  }

 private:
  template <class F>
  static void binary(const char* kernel, ConstView a, ConstView b, View y, Accum accum, const F& f) {
    check_same(kernel, a.shape, b.shape);
    check_same(kernel, a.shape, y.shape);
    with_storage(kernel, a.dtype, [&](auto t) {
      using T = decltype(t);
      using C = Compute<T>;
      map<T>(y, accum, [f, a = a.as<T>(), b = b.as<T>()](Index i) { return f(C(a[i]), C(b[i])); });
    });
  }

  // y = or += x > 0 ? values : slope * values.
  void prelu(ConstView x, ConstView values, ConstView slope, View y, Accum accum) {
    check_slope(x, slope);
    with_storage("prelu", x.dtype, [&](auto t) {
      using T = decltype(t);
      using C = Compute<T>;
      const Chunks chunks(x.shape);
      const Index width = lane_width(chunks.channels);
      const Scratch<C> lanes(memory_, width, "prelu");
      C* const slopes = lanes.data();
      std::copy(slope.as<C>(), slope.as<C>() + slope.shape.c, slopes);
      tile(slopes, slope.shape.c, width);
      const T* const in = x.as<T>();
      const T* const v = values.as<T>();
      T* const out = y.as<T>();
      with_accum(accum, [&](auto add) {
        for_chunks(chunks, [&](const Chunk& chunk) {
          for_rows(chunk.count, width, [=, begin = chunk.begin](Index i, Index n) {
            const Index at = begin + i;
#pragma omp simd
            for (Index l = 0; l < n; ++l) {
              const C value = v[at + l];
              put<decltype(add)::value>(out[at + l], C(in[at + l]) > C(0) ? value : slopes[l] * value);
            }
          });
        });
      });
    });
  }

  // dslope = or += sum of x dy where x <= 0.
  template <class T>
  void slope_gradient(ConstView x, ConstView dy, View dslope, Accum accum) {
    const Chunks chunks(x.shape);
    const Index slopes = dslope.shape.c, width = lane_width(chunks.channels);
    const T* const in = x.as<T>();
    const T* const g = dy.as<T>();
    const Scratch<double> scratch(memory_, chunks.tasks() * width, "prelu_backward_slope");
    for_chunks(chunks, [&](const Chunk& chunk) {
      double* const sum = scratch.data() + chunk.task * width;
      std::fill(sum, sum + width, 0.0);
      for_rows(chunk.count, width, [=, begin = chunk.begin](Index i, Index n) {
        const Index at = begin + i;
#pragma omp simd
        for (Index l = 0; l < n; ++l) {
          const double value = static_cast<double>(Compute<T>(in[at + l]));
          sum[l] += value > 0.0 ? 0.0 : value * static_cast<double>(Compute<T>(g[at + l]));
        }
      });
      fold(sum, slopes, width);
    });
    using C = Compute<T>;
    C* const out = dslope.as<C>();
    for (Index c = 0; c < slopes; ++c) {
      double total = accum == Accum::add ? static_cast<double>(out[c]) : 0.0;
      for (Index task = 0; task < chunks.tasks(); ++task) total += scratch.data()[task * width + c];
      out[c] = static_cast<C>(total);
    }
  }

  std::shared_ptr<Allocator> memory_;
};

}  // namespace

std::unique_ptr<PointwiseKernels> make_ref_pointwise(std::shared_ptr<Allocator> memory) {
  return std::make_unique<RefPointwise>(std::move(memory));
}

}  // namespace duet

// The CPU room's 1x1x1 convolution, of few outputs (thin) and of more (wide), against the reference in
// double: sizes known at compile time and not, with and without factors of x, all pairs of types, more rows
// than a task.
#include "engine/backend/onednn/thin.h"
#include "tests/engine/onednn_numbers.h"

namespace duet::testing {
namespace {

struct Types {
  DType x, y;
};
constexpr Types kTypes[] = {{DType::f32, DType::f32}, {DType::bf16, DType::f32}, {DType::bf16, DType::bf16}};

struct Setup {
  Shape x;
  Index to;
  bool scaled;
  Types types;
  Shape y() const { return x.with_channels(to); }
  Shape w() const { return {to, 1, 1, 1, x.c}; }
  bool thin() const { return to <= 8; }
  // Ours in any type; the wide ones are oneDNN's, which convolves in bf16 only where the processor multiplies
  // it.
  bool runs() const { return thin() || types.y == DType::f32 || backend_of("onednn").fast_bf16; }
  // oneDNN rounds the weights to bf16, too.
  double bound(DType type) const { return thin() || type == DType::f32 ? bound_of(type) : 1e-2; }
  // The same bytes for any number of threads where the loops are ours.
  template <class Make>
  Tensor run(const Make& make) const {
    return thin() ? for_any_threads(make) : make();
  }
};

template <class Body>
void for_each(const Body& body) {
  bool scaled = false;
  for (const Index from : {1, 3, 8, 16, 17, 32, 64, 256}) {
    for (const Index to : {1, 2, 3, 5, 8, 14}) {
      for (const Types& types : kTypes) {
        scaled = !scaled;
        const Index size = from == 8 ? 13 : 5;  // 2197 rows a sample are more than a task
        const Setup setup{{2, size, size, size, from}, to, scaled, types};
        INFO(text(setup.x, " to ", to, scaled ? " scaled " : " ", name_of(types.x), ' ', name_of(types.y)));
        REQUIRE(onednn::fits_thin(setup.x, setup.w()) == setup.thin());
        if (setup.runs()) body(setup);
      }
    }
  }
}

// Factors as of dropout: 0 or 2, but for one sample that keeps other ones.
Pair factors(const Setup& setup) {
  if (!setup.scaled) return {};
  const Shape shape{setup.x.n, 1, 1, 1, setup.x.c};
  std::vector<double> values(static_cast<std::size_t>(shape.elements()));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = i % 3 == 0 ? 0.0 : i % 3 == 1 ? 2.0 : 1.25;
  return pair_of(shape, DType::f32, values);
}

ConvolutionKernels& fast() { return *backend_of("onednn").convolution; }
ConvolutionKernels& exact() { return *ref_backend().convolution; }

}  // namespace

TEST_CASE("thin and wide forward") {
  for_each([](const Setup& setup) {
    const Pair x = normal_pair(setup.x, setup.types.x, 1), w = normal_pair(setup.w(), DType::f32, 2);
    const Pair b = normal_pair(Shape::vector(setup.to), DType::f32, 3), scale = factors(setup);
    for (const bool bias : {true, false}) {
      const Tensor expected = unwritten_exact(setup.y());
      exact().pointwise_conv_forward(x.exact.cview(), scale.exact.cview(), w.exact.cview(),
                                     bias ? b.exact.cview() : ConstView(), expected.view());
      const Tensor y = setup.run([&] {
        Tensor made = unwritten(setup.y(), setup.types.y);
        fast().pointwise_conv_forward(x.value.cview(), scale.value.cview(), w.value.cview(),
                                      bias ? b.value.cview() : ConstView(), made.view());
        return made;
      });
      check_near(y, expected, setup.bound(setup.types.y));
    }
  });
}

TEST_CASE("thin and wide gradients, written over NaN and added onto values") {
  for_each([](const Setup& setup) {
    const Pair x = normal_pair(setup.x, setup.types.x, 1), w = normal_pair(setup.w(), DType::f32, 2);
    const Pair dy = normal_pair(setup.y(), setup.types.y, 4), scale = factors(setup);
    for (const Accum accum : {Accum::write, Accum::add}) {
      const bool add = accum == Accum::add;
      INFO((add ? "added" : "written"));
      const Tensor dx = add ? normal_pair(setup.x, setup.types.x, 5).exact : unwritten_exact(setup.x);
      exact().pointwise_conv_backward_data(dy.exact.cview(), scale.exact.cview(), w.exact.cview(), dx.view(),
                                           accum);
      const Tensor got_dx = setup.run([&] {
        Tensor made = add ? normal_pair(setup.x, setup.types.x, 5).value : unwritten(setup.x, setup.types.x);
        fast().pointwise_conv_backward_data(dy.value.cview(), scale.value.cview(), w.value.cview(),
                                            made.view(), accum);
        return made;
      });
      check_near(got_dx, dx, setup.bound(setup.types.x));

      const Tensor dw = add ? normal_pair(setup.w(), DType::f32, 6).exact : unwritten_exact(setup.w());
      exact().pointwise_conv_backward_weights(x.exact.cview(), scale.exact.cview(), dy.exact.cview(),
                                              dw.view(), accum);
      const Tensor got_dw = setup.run([&] {
        Tensor made = add ? normal_pair(setup.w(), DType::f32, 6).value : unwritten(setup.w(), DType::f32);
        fast().pointwise_conv_backward_weights(x.value.cview(), scale.value.cview(), dy.value.cview(),
                                               made.view(), accum);
        return made;
      });
      check_near(got_dw, dw, 1e-5);
    }
  });
}

}  // namespace duet::testing

// The reference convolutions: cases worked out by hand, then each pass against the forward one through inner
// products (the backward passes are its adjoints: <conv(x, w), dy> = <x, dx> = <w, dw>).
#include "tests/engine/ref_more.h"

using namespace duet;
using namespace duet::test;

namespace {

std::unique_ptr<ConvolutionKernels> kernels() { return make_ref_convolution(poisoned()); }

const Conv3dSpec kLine3{{1, 1, 3}, {1, 1, 1}, {0, 0, 1}};
const Conv3dSpec kPoint{{1, 1, 1}, {1, 1, 1}, {0, 0, 0}};

struct Case {
  const char* name;
  Conv3dSpec spec;
  Shape x;  // of the transposed one, too
  Index co;
};

const std::vector<Case> kCases = {
    {"3x3x3", {}, {2, 4, 5, 3, 3}, 2},
    {"2D, D = 1", {{1, 3, 3}, {1, 1, 1}, {0, 1, 1}}, {2, 1, 5, 4, 2}, 3},
    {"stride 2, odd sizes", {{3, 3, 3}, {2, 2, 2}, {1, 1, 1}}, {1, 5, 7, 3, 2}, 3},
    {"stride 2, sizes that do not divide", {{2, 2, 2}, {2, 2, 2}, {0, 0, 0}}, {2, 5, 3, 7, 3}, 2},
    {"stride 4 with one output", {{3, 3, 3}, {4, 4, 4}, {0, 0, 0}}, {1, 3, 4, 5, 2}, 2},
    {"kernel below stride", {{2, 1, 2}, {3, 2, 3}, {0, 0, 0}}, {1, 7, 5, 8, 2}, 3},
    {"more padding than kernel", {{2, 3, 1}, {1, 2, 1}, {3, 4, 2}}, {1, 3, 2, 3, 1}, 2},
    {"mixed", {{5, 1, 2}, {1, 2, 3}, {2, 0, 1}}, {2, 4, 5, 6, 1}, 1},
};

// Sizes that the transposed convolution of these gives are not below 1.
bool transposable(const Case& c) {
  const Triple size = c.x.spatial();
  for (std::size_t i = 0; i < 3; ++i) {
    if ((size[i] - 1) * c.spec.stride[i] - 2 * c.spec.padding[i] + c.spec.kernel[i] < 1) return false;
  }
  return true;
}

Shape weights_of(const Conv3dSpec& s, Index n, Index c) {
  return {n, s.kernel[0], s.kernel[1], s.kernel[2], c};
}

void check_near(double a, double b, DType type) {
  CHECK(std::abs(a - b) <= (type == DType::f32 ? 2e-5 : 1e-12) * (1.0 + std::abs(a)));
}

}  // namespace

TEST_CASE("a convolution along a line, by hand") {
  for (const DType type : kTypes) {
    const Tensor x = values({1, 1, 1, 4, 1}, type, {1, 2, 3, 4});
    const Tensor w = values({1, 1, 1, 3, 1}, type, {10, 1, -1});  // 10 left + middle - right
    const Tensor b = values(Shape::vector(1), type, {0.5});
    const Tensor y = garbage({1, 1, 1, 4, 1}, type);
    kernels()->conv3d_forward(kLine3, x.cview(), w.cview(), b.cview(), y.view());
    check_values(y, {-0.5, 9.5, 19.5, 34.5});
    kernels()->conv3d_forward(kLine3, x.cview(), w.cview(), {}, y.view());
    check_values(y, {-1, 9, 19, 34});

    const Tensor dy = values({1, 1, 1, 4, 1}, type, {1, 0, 2, 0});
    check_accum(x.shape(), type, {1, 19, 2, -2}, [&](View dx, Accum accum) {
      kernels()->conv3d_backward_data(kLine3, dy.cview(), w.cview(), dx, accum);
    });
    // taps: left sum dy[o] x[o-1] = 2*2; middle 1*1 + 2*3; right 1*2 + 2*4.
    check_accum(w.shape(), type, {4, 7, 10}, [&](View dw, Accum accum) {
      kernels()->conv3d_backward_weights(kLine3, x.cview(), dy.cview(), dw, accum);
    });
  }
}

TEST_CASE("a transposed convolution along a line, by hand") {
  const Conv3dSpec up{{1, 1, 2}, {1, 1, 2}, {0, 0, 0}};
  for (const DType type : kTypes) {
    const Tensor x = values({1, 1, 1, 2, 2}, type, {1, 2, 3, 4});
    // w (Ci 2, 1, 1, kW 2, Co 1)
    const Tensor w = values({2, 1, 1, 2, 1}, type, {1, 10, 100, 1000});
    const Tensor b = values(Shape::vector(1), type, {-1});
    const Tensor y = garbage({1, 1, 1, 4, 1}, type);
    kernels()->conv_transpose3d_forward(up, x.cview(), w.cview(), b.cview(), y.view());
    check_values(y, {200, 2009, 402, 4029});
    const Tensor dy = values({1, 1, 1, 4, 1}, type, {1, 2, 3, 4});
    check_accum(x.shape(), type, {21, 2100, 43, 4300}, [&](View dx, Accum accum) {
      kernels()->conv_transpose3d_backward_data(up, dy.cview(), w.cview(), dx, accum);
    });
    // dw[c,k] = sum_i x[i,c] dy[2i+k].
    check_accum(w.shape(), type, {1 + 9, 2 + 12, 2 + 12, 4 + 16}, [&](View dw, Accum accum) {
      kernels()->conv_transpose3d_backward_weights(up, x.cview(), dy.cview(), dw, accum);
    });
  }
}

TEST_CASE("an overlapping transposed convolution with padding, by hand") {
  const Conv3dSpec spec{{1, 1, 3}, {1, 1, 2}, {0, 0, 1}};
  const Tensor x = values({1, 1, 1, 2, 1}, DType::f64, {1, 2});
  const Tensor w = values({1, 1, 1, 3, 1}, DType::f64, {1, 10, 100});
  const Tensor y = garbage({1, 1, 1, 3, 1}, DType::f64);
  kernels()->conv_transpose3d_forward(spec, x.cview(), w.cview(), {}, y.view());
  check_values(y, {10, 100 + 2, 20});  // 1 10 (100 + 2) 20 200 without its ends
}

TEST_CASE("the pointwise convolution and the bias gradient, by hand") {
  for (const DType type : kTypes) {
    const Tensor x = values({1, 1, 1, 2, 3}, type, {1, 2, 3, 4, 5, 6});
    const Tensor w = values({2, 1, 1, 1, 3}, type, {1, 0, -1, 2, 2, 2});
    const Tensor b = values(Shape::vector(2), type, {10, 20});
    const Tensor y = garbage({1, 1, 1, 2, 2}, type);
    kernels()->pointwise_conv_forward(x.cview(), {}, w.cview(), b.cview(), y.view());
    check_values(y, {8, 32, 8, 50});
    const Tensor dy = values({1, 1, 1, 2, 2}, type, {1, 2, 3, 4});
    check_accum(x.shape(), type, {5, 4, 3, 11, 8, 5}, [&](View dx, Accum accum) {
      kernels()->pointwise_conv_backward_data(dy.cview(), {}, w.cview(), dx, accum);
    });
    check_accum(w.shape(), type, {13, 17, 21, 18, 24, 30}, [&](View dw, Accum accum) {
      kernels()->pointwise_conv_backward_weights(x.cview(), {}, dy.cview(), dw, accum);
    });
    check_accum(Shape::vector(2), type, {4, 6},
                [&](View db, Accum accum) { kernels()->bias_backward(dy.cview(), db, accum); });
  }
}

TEST_CASE("the pointwise convolution is the convolution of kernel 1") {
  for (const DType type : kTypes) {
    const Tensor x = random({2, 3, 1, 5, 4}, type, 1), w = random({3, 1, 1, 1, 4}, type, 2);
    const Tensor b = random(Shape::vector(3), type, 3);
    const Tensor direct = garbage({2, 3, 1, 5, 3}, type), matrix = garbage({2, 3, 1, 5, 3}, type);
    kernels()->conv3d_forward(kPoint, x.cview(), w.cview(), b.cview(), direct.view());
    kernels()->pointwise_conv_forward(x.cview(), {}, w.cview(), b.cview(), matrix.view());
    check_values(matrix, to_values(direct));
  }
}

TEST_CASE("backward passes are the adjoints of the forward one") {
  for (const DType type : kTypes) {
    for (const Case& c : kCases) {
      CAPTURE(c.name);
      const Tensor x = random(c.x, type, 1), w = random(weights_of(c.spec, c.co, c.x.c), type, 2);
      const Tensor y = garbage(conv3d_output_shape(c.spec, x.shape(), w.shape()), type);
      kernels()->conv3d_forward(c.spec, x.cview(), w.cview(), {}, y.view());
      const Tensor dy = random(y.shape(), type, 3), dx = garbage(x.shape(), type),
                   dw = garbage(w.shape(), type);
      kernels()->conv3d_backward_data(c.spec, dy.cview(), w.cview(), dx.view(), Accum::write);
      kernels()->conv3d_backward_weights(c.spec, x.cview(), dy.cview(), dw.view(), Accum::write);
      check_near(inner(y, dy), inner(x, dx), type);
      check_near(inner(y, dy), inner(w, dw), type);
    }
    for (const Case& c : kCases) {
      if (!transposable(c)) continue;
      CAPTURE(c.name);
      const Tensor x = random(c.x, type, 1), w = random(weights_of(c.spec, c.x.c, c.co), type, 2);
      const Tensor y = garbage(conv_transpose3d_output_shape(c.spec, x.shape(), w.shape()), type);
      kernels()->conv_transpose3d_forward(c.spec, x.cview(), w.cview(), {}, y.view());
      const Tensor dy = random(y.shape(), type, 3), dx = garbage(x.shape(), type),
                   dw = garbage(w.shape(), type);
      kernels()->conv_transpose3d_backward_data(c.spec, dy.cview(), w.cview(), dx.view(), Accum::write);
      kernels()->conv_transpose3d_backward_weights(c.spec, x.cview(), dy.cview(), dw.view(), Accum::write);
      check_near(inner(y, dy), inner(x, dx), type);
      check_near(inner(y, dy), inner(w, dw), type);
    }
  }
}

TEST_CASE("convolutions do not depend on the number of threads") {
  const Tensor x = random({2, 5, 6, 7, 5}, DType::f32, 1), w = random({4, 3, 3, 3, 5}, DType::f32, 2);
  const Tensor dy = random({2, 5, 6, 7, 4}, DType::f32, 3), rows = random({1, 30, 30, 30, 3}, DType::f32, 4);
  const Conv3dSpec spec;
  check_threads([&] {
    const Tensor y = garbage(dy.shape(), DType::f32);
    kernels()->conv3d_forward(spec, x.cview(), w.cview(), {}, y.view());
    return y;
  });
  check_threads([&] {
    const Tensor dx = garbage(x.shape(), DType::f32);
    kernels()->conv3d_backward_data(spec, dy.cview(), w.cview(), dx.view(), Accum::write);
    return dx;
  });
  check_threads([&] {
    const Tensor dw = garbage(w.shape(), DType::f32);
    kernels()->conv3d_backward_weights(spec, x.cview(), dy.cview(), dw.view(), Accum::write);
    return dw;
  });
  check_threads([&] {
    const Tensor db = garbage(Shape::vector(3), DType::f32);
    kernels()->bias_backward(rows.cview(), db.view(), Accum::write);
    return db;
  });
}

TEST_CASE("wrong shapes and types are named") {
  const Tensor x = random({1, 1, 1, 4, 2}, DType::f32, 1), w = random({1, 1, 1, 3, 2}, DType::f32, 2);
  const Tensor y = garbage({1, 1, 1, 3, 1}, DType::f32), good = garbage({1, 1, 1, 4, 1}, DType::f32);
  CHECK_THROWS_AS(kernels()->conv3d_forward(kLine3, x.cview(), w.cview(), {}, y.view()), EngineError);
  CHECK_THROWS_AS(kernels()->conv3d_forward(kLine3, x.cview(), w.cview(), x.cview(), good.view()),
                  EngineError);
  CHECK_THROWS_AS(kernels()->pointwise_conv_forward(x.cview(), {}, w.cview(), {}, y.view()), EngineError);
  CHECK_THROWS_AS(kernels()->conv_transpose3d_forward(kLine3, x.cview(), w.cview(), {}, y.view()),
                  EngineError);
  CHECK_THROWS_AS(kernels()->bias_backward(x.cview(), y.view(), Accum::write), EngineError);
  const Tensor wide = random({1, 1, 1, 3, 2}, DType::f64, 2);
  CHECK_THROWS_AS(kernels()->conv3d_forward(kLine3, x.cview(), wide.cview(), {}, good.view()), EngineError);
  CHECK(kernels()->implementation(ConvPass::forward, kLine3, x.shape(), w.shape(), DType::f32) ==
        "ref:direct");
  CHECK(kernels()->plan_counters().misses == 0);
}

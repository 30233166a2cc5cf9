// Boxes, pools and upsampling of the reference backend.
#include <limits>

#include "tests/engine/ref_more.h"

using namespace duet;
using namespace duet::test;

namespace {

std::unique_ptr<RegionKernels> kernels() { return make_ref_region(); }

Index element(const Shape& s, Index n, Index d, Index h, Index w, Index c) {
  return (((n * s.d + d) * s.h + h) * s.w + w) * s.c + c;
}

// copy_region element by element.
std::vector<double> copied(const Tensor& x, const Offset5& from, const Tensor& y, const Offset5& to,
                           const Shape& e, bool add) {
  const std::vector<double> in = to_values(x);
  std::vector<double> out = to_values(y);
  for (Index n = 0; n < e.n; ++n)
    for (Index d = 0; d < e.d; ++d)
      for (Index h = 0; h < e.h; ++h)
        for (Index w = 0; w < e.w; ++w)
          for (Index c = 0; c < e.c; ++c) {
            const auto at = static_cast<std::size_t>(
                element(y.shape(), n + to[0], d + to[1], h + to[2], w + to[3], c + to[4]));
            const double v = in[static_cast<std::size_t>(
                element(x.shape(), n + from[0], d + from[1], h + from[2], w + from[3], c + from[4]))];
            out[at] = add ? out[at] + v : v;
          }
  return out;
}

struct Box {
  const char* name;
  Shape x;
  Offset5 from;
  Shape y;
  Offset5 to;
  Shape extent;
};

const std::vector<Box> kBoxes = {
    {"whole", {2, 3, 4, 5, 3}, {}, {2, 3, 4, 5, 3}, {}, {2, 3, 4, 5, 3}},
    {"samples", {2, 3, 4, 5, 3}, {1, 0, 0, 0, 0}, {3, 3, 4, 5, 3}, {2, 0, 0, 0, 0}, {1, 3, 4, 5, 3}},
    {"long runs, cut", {2, 30, 30, 30, 1}, {}, {3, 30, 30, 30, 1}, {1, 0, 0, 0, 0}, {2, 30, 30, 30, 1}},
    {"long runs with gaps", {2, 31, 30, 30, 1}, {0, 1, 0, 0, 0}, {2, 30, 30, 30, 1}, {}, {2, 30, 30, 30, 1}},
    {"channels", {2, 3, 4, 5, 2}, {}, {2, 3, 4, 5, 5}, {0, 0, 0, 0, 2}, {2, 3, 4, 5, 2}},
    {"a channel", {2, 3, 4, 5, 3}, {0, 0, 0, 0, 1}, {2, 3, 4, 5, 1}, {}, {2, 3, 4, 5, 1}},
    {"inner box", {2, 5, 6, 7, 2}, {0, 1, 2, 3, 1}, {1, 4, 4, 5, 3}, {0, 1, 0, 2, 0}, {1, 3, 3, 3, 1}},
    {"every axis", {3, 5, 6, 7, 4}, {1, 1, 1, 1, 1}, {3, 5, 6, 7, 4}, {}, {2, 4, 5, 6, 3}},
    {"2D", {2, 1, 6, 7, 3}, {0, 0, 1, 0, 0}, {2, 1, 4, 7, 3}, {}, {2, 1, 4, 7, 3}},
    {"one element", {2, 2, 2, 2, 2}, {1, 1, 1, 1, 1}, {2, 2, 2, 2, 2}, {}, {1, 1, 1, 1, 1}},
};

struct PoolCase {
  const char* name;
  PoolSpec spec;
  Shape x;
};

const std::vector<PoolCase> kPools = {
    {"2x2x2", {}, {2, 4, 6, 2, 3}},
    {"odd sizes", {}, {1, 5, 3, 7, 2}},
    {"2D", {{1, 2, 2}, {1, 2, 2}, {0, 0, 0}}, {2, 1, 5, 4, 2}},
    {"overlap and padding", {{3, 3, 3}, {2, 2, 2}, {1, 1, 1}}, {1, 5, 4, 6, 2}},
    {"overlap, stride 1", {{2, 3, 1}, {1, 1, 1}, {1, 2, 0}}, {1, 3, 4, 2, 1}},
    {"one output", {{2, 2, 2}, {3, 3, 3}, {0, 0, 0}}, {1, 2, 3, 4, 2}},
};

}  // namespace

TEST_CASE("copy_region copies the box and leaves the rest") {
  for (const DType type : {DType::f32, DType::f64, DType::i32, DType::u8}) {
    for (const Box& box : kBoxes) {
      CAPTURE(box.name);
      std::vector<double> numbers(static_cast<std::size_t>(box.x.elements()));
      for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<double>(i % 251);
      const Tensor x = values(box.x, type, numbers), y = full(box.y, type, 7);
      const std::vector<double> expected = copied(x, box.from, y, box.to, box.extent, false);
      kernels()->copy_region(x.cview(), box.from, y.view(), box.to, box.extent, Accum::write);
      CHECK(to_values(y) == expected);
      if (type != DType::f32 && type != DType::f64) continue;
      const std::vector<double> sums = copied(x, box.from, y, box.to, box.extent, true);
      kernels()->copy_region(x.cview(), box.from, y.view(), box.to, box.extent, Accum::add);
      CHECK(to_values(y) == sums);
    }
  }
}

TEST_CASE("copy_region writes over NaN") {
  const Tensor x = random({2, 3, 4, 5, 3}, DType::f32, 1), y = garbage(x.shape(), DType::f32);
  kernels()->copy_region(x.cview(), {}, y.view(), {}, x.shape(), Accum::write);
  CHECK(same_bytes(x, y));
}

TEST_CASE("copy_region refuses a box that is not inside, and adding integers") {
  const Tensor x = full({1, 2, 2, 2, 1}, DType::i32, 1), y = full({1, 2, 2, 2, 1}, DType::i32, 1);
  const Tensor f = full({1, 2, 2, 2, 1}, DType::f32, 1);
  const Shape one{1, 1, 1, 1, 1};
  CHECK_THROWS_AS(kernels()->copy_region(x.cview(), {0, 2, 0, 0, 0}, y.view(), {}, one, Accum::write),
                  EngineError);
  CHECK_THROWS_AS(kernels()->copy_region(x.cview(), {}, y.view(), {0, 0, 0, -1, 0}, one, Accum::write),
                  EngineError);
  CHECK_THROWS_AS(kernels()->copy_region(x.cview(), {}, y.view(), {}, {1, 2, 2, 3, 1}, Accum::write),
                  EngineError);
  CHECK_THROWS_AS(kernels()->copy_region(x.cview(), {}, y.view(), {}, one, Accum::add), EngineError);
  CHECK_THROWS_AS(kernels()->copy_region(x.cview(), {}, f.view(), {}, one, Accum::write), EngineError);
}

TEST_CASE("max pooling by hand") {
  const PoolSpec spec{{1, 1, 3}, {1, 1, 2}, {0, 0, 1}};
  for (const DType type : kTypes) {
    // Windows of 5 values: (pad 1 4), (4 4 -2), (-2 -3 pad); positions count the padding; the first of equals
    // wins.
    const Tensor x = values({1, 1, 1, 5, 1}, type, {1, 4, 4, -2, -3});
    const Tensor y = garbage({1, 1, 1, 3, 1}, type), where = garbage({1, 1, 1, 3, 1}, DType::i32);
    kernels()->max_pool_forward(spec, x.cview(), y.view(), where.view());
    check_values(y, {4, 4, -2});
    check_values(where, {2, 0, 0});
    const Tensor dy = values(y.shape(), type, {1, 10, 100});
    check_accum(x.shape(), type, {0, 11, 0, 100, 0}, [&](View dx, Accum accum) {
      kernels()->max_pool_backward(spec, dy.cview(), where.cview(), dx, accum);
    });
  }
}

TEST_CASE("max pooling ignores padding where all values are negative, and keeps a NaN") {
  const PoolSpec spec{{3, 3, 3}, {2, 2, 2}, {1, 1, 1}};
  const Tensor x = full({1, 3, 3, 3, 2}, DType::f32, -5);
  const Tensor y = garbage({1, 2, 2, 2, 2}, DType::f32), where = garbage({1, 2, 2, 2, 2}, DType::i32);
  kernels()->max_pool_forward(spec, x.cview(), y.view(), where.view());
  check_values(y, std::vector<double>(16, -5));
  CHECK(where.data<std::int32_t>()[0] == 13);  // (1,1,1) of the first window, whose first planes are padding
  x.data<float>()[0] = std::numeric_limits<float>::quiet_NaN();
  kernels()->max_pool_forward(spec, x.cview(), y.view(), where.view());
  CHECK(std::isnan(y.data<float>()[0]));
  CHECK(where.data<std::int32_t>()[0] == 13);
  CHECK(y.data<float>()[1] == -5);
}

TEST_CASE("positions of a 3D window run in kd, kh, kw order") {
  for (Index k = 0; k < 8; ++k) {
    const Tensor x = full({1, 2, 2, 2, 1}, DType::f32, 0);
    x.data<float>()[k] = 1;
    const Tensor y = garbage({}, DType::f32), where = garbage({}, DType::i32);
    kernels()->max_pool_forward({}, x.cview(), y.view(), where.view());
    CHECK(where.data<std::int32_t>()[0] == k);
  }
}

TEST_CASE("average pooling by hand: padding counts as zeros") {
  const PoolSpec spec{{1, 1, 2}, {1, 1, 1}, {0, 0, 1}};
  for (const DType type : kTypes) {
    const Tensor x = values({1, 1, 1, 3, 1}, type, {2, 4, 8}), y = garbage({1, 1, 1, 4, 1}, type);
    kernels()->average_pool_forward(spec, x.cview(), y.view());
    check_values(y, {1, 3, 6, 4});
    const Tensor dy = values(y.shape(), type, {1, 2, 3, 4});
    check_accum(x.shape(), type, {1.5, 2.5, 3.5},
                [&](View dx, Accum accum) { kernels()->average_pool_backward(spec, dy.cview(), dx, accum); });
  }
}

TEST_CASE("pool gradients are adjoints, for overlapping windows too") {
  for (const PoolCase& c : kPools) {
    CAPTURE(c.name);
    const Tensor x = random(c.x, DType::f64, 1);
    const Shape out = pool_output_shape(c.spec, c.x);
    const Tensor y = garbage(out, DType::f64), where = garbage(out, DType::i32),
                 dy = random(out, DType::f64, 2);
    const Tensor dx = garbage(c.x, DType::f64);
    kernels()->average_pool_forward(c.spec, x.cview(), y.view());
    kernels()->average_pool_backward(c.spec, dy.cview(), dx.view(), Accum::write);
    CHECK(inner(y, dy) == doctest::Approx(inner(x, dx)).epsilon(1e-12));
    // The maximum is linear where the positions are held: <max x, dy> = <x, dx>.
    kernels()->max_pool_forward(c.spec, x.cview(), y.view(), where.view());
    kernels()->max_pool_backward(c.spec, dy.cview(), where.cview(), dx.view(), Accum::write);
    CHECK(inner(y, dy) == doctest::Approx(inner(x, dx)).epsilon(1e-12));
  }
}

TEST_CASE("nearest upsampling by hand") {
  for (const DType type : kTypes) {
    const Tensor x = values({1, 1, 1, 2, 2}, type, {1, 2, 3, 4}), y = garbage({1, 1, 2, 4, 2}, type);
    kernels()->upsample_forward(UpsampleKind::nearest, {1, 2, 2}, x.cview(), y.view());
    check_values(y, {1, 2, 1, 2, 3, 4, 3, 4, 1, 2, 1, 2, 3, 4, 3, 4});
    std::vector<double> ramp(16);
    for (std::size_t i = 0; i < 16; ++i) ramp[i] = static_cast<double>(i);
    const Tensor dy = values(y.shape(), type, ramp);
    check_accum(x.shape(), type, {20, 24, 36, 40}, [&](View dx, Accum accum) {
      kernels()->upsample_backward(UpsampleKind::nearest, {1, 2, 2}, dy.cview(), dx, accum);
    });
  }
}

TEST_CASE("trilinear upsampling by hand") {
  for (const DType type : kTypes) {
    const Tensor x = values({1, 1, 1, 3, 1}, type, {0, 4, 8}), y = garbage({1, 1, 1, 6, 1}, type);
    kernels()->upsample_forward(UpsampleKind::trilinear, {1, 1, 2}, x.cview(), y.view());
    check_values(y, {0, 1, 3, 5, 7, 8});
    const Tensor dy = values(y.shape(), type, {1, 1, 1, 1, 1, 1});
    check_accum(x.shape(), type, {2, 2, 2}, [&](View dx, Accum accum) {
      kernels()->upsample_backward(UpsampleKind::trilinear, {1, 1, 2}, dy.cview(), dx, accum);
    });
    // The product of the axes: corner 8 of a cube, seen from the inner output at 1/4 of each axis.
    const Tensor cube = values({1, 2, 2, 2, 1}, type, {0, 0, 0, 0, 0, 0, 0, 64});
    const Tensor large = garbage({1, 4, 4, 4, 1}, type);
    kernels()->upsample_forward(UpsampleKind::trilinear, {2, 2, 2}, cube.cview(), large.view());
    const std::vector<double> found = to_values(large);
    CHECK(found[static_cast<std::size_t>(element(large.shape(), 0, 1, 1, 1, 0))] == doctest::Approx(1));
    CHECK(found[static_cast<std::size_t>(element(large.shape(), 0, 1, 2, 2, 0))] == doctest::Approx(9));
    CHECK(found.back() == doctest::Approx(64));
  }
}

TEST_CASE("upsampling gradients are adjoints") {
  for (const UpsampleKind kind : {UpsampleKind::nearest, UpsampleKind::trilinear}) {
    for (const Triple& factor : {Triple{2, 2, 2}, Triple{1, 3, 4}, Triple{3, 1, 1}}) {
      const Tensor x = random({2, 1, 3, 5, 3}, DType::f64, 1);
      const Shape out{2, factor[0], 3 * factor[1], 5 * factor[2], 3};
      const Tensor y = garbage(out, DType::f64), dy = random(out, DType::f64, 2),
                   dx = garbage(x.shape(), DType::f64);
      kernels()->upsample_forward(kind, factor, x.cview(), y.view());
      kernels()->upsample_backward(kind, factor, dy.cview(), dx.view(), Accum::write);
      CHECK(inner(y, dy) == doctest::Approx(inner(x, dx)).epsilon(1e-12));
    }
  }
}

TEST_CASE("region kernels do not depend on the number of threads") {
  const Tensor x = random({2, 16, 20, 18, 5}, DType::f32, 1);
  const PoolSpec spec{{3, 3, 3}, {2, 2, 2}, {1, 1, 1}};
  const Shape out = pool_output_shape(spec, x.shape());
  const Tensor y = garbage(out, DType::f32), where = garbage(out, DType::i32),
               dy = random(out, DType::f32, 2);
  kernels()->max_pool_forward(spec, x.cview(), y.view(), where.view());
  check_threads([&] {
    const Tensor dx = full(x.shape(), DType::f32, 1);
    kernels()->max_pool_backward(spec, dy.cview(), where.cview(), dx.view(), Accum::add);
    kernels()->average_pool_backward(spec, dy.cview(), dx.view(), Accum::add);
    kernels()->copy_region(x.cview(), {0, 1, 2, 3, 1}, dx.view(), {}, {2, 15, 18, 15, 4}, Accum::add);
    return dx;
  });
  check_threads([&] {
    const Tensor dx = garbage({2, 8, 10, 9, 5}, DType::f32);
    kernels()->upsample_backward(UpsampleKind::trilinear, {2, 2, 2}, x.cview(), dx.view(), Accum::write);
    return dx;
  });
}

TEST_CASE("pools and upsampling name wrong shapes") {
  const Tensor x = random({1, 2, 2, 2, 1}, DType::f32, 1), y = garbage({1, 2, 2, 2, 1}, DType::f32);
  const Tensor where = garbage({1, 2, 2, 2, 1}, DType::i32);
  CHECK_THROWS_AS(kernels()->max_pool_forward({}, x.cview(), y.view(), where.view()), EngineError);
  CHECK_THROWS_AS(kernels()->average_pool_forward({}, x.cview(), y.view()), EngineError);
  CHECK_THROWS_AS(kernels()->upsample_forward(UpsampleKind::nearest, {2, 2, 2}, x.cview(), y.view()),
                  EngineError);
  CHECK_THROWS_AS(kernels()->upsample_forward(UpsampleKind::nearest, {0, 1, 1}, x.cview(), y.view()),
                  EngineError);
}

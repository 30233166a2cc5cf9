// Winograd's filtering of the CPU room against the reference in double, called directly, and where the
// convolution takes it by itself.
#include "engine/backend/onednn/loops.h"
#include "engine/backend/onednn/winograd.h"
#include "tests/engine/onednn_numbers.h"

namespace duet::testing {
namespace {

// Tiles whole and cut along H and W; one channel vector and several; 2D; planes lost and gained along D; more
// units than one along D, along H and of several samples together.
std::vector<ConvSetup> setups() {
  const Conv3dSpec cube, flat{{1, 3, 3}, {1, 1, 1}, {0, 1, 1}}, valid{{3, 3, 3}, {1, 1, 1}, {0, 1, 1}},
      wide{{5, 3, 3}, {1, 1, 1}, {3, 1, 1}}, even{{2, 3, 3}, {1, 1, 1}, {1, 1, 1}};
  return {{{2, 5, 8, 16, 8}, 8, cube},    {{1, 3, 7, 11, 16}, 8, cube},   {{3, 1, 18, 21, 8}, 24, flat},
          {{1, 6, 10, 8, 24}, 16, valid}, {{1, 4, 9, 14, 8}, 32, wide},   {{1, 40, 4, 64, 40}, 8, cube},
          {{2, 4, 6, 3, 8}, 8, cube},     {{1, 3, 5, 5, 16}, 16, cube},   {{1, 2, 16, 16, 128}, 128, cube},
          {{5, 4, 6, 4, 64}, 64, cube},   {{2, 3, 12, 12, 16}, 40, even}, {{1, 33, 34, 20, 8}, 48, cube}};
}

}  // namespace

TEST_CASE("winograd forward: with and without bias, writing and adding, any threads") {
  const auto memory = backend_of("onednn").memory;
  std::uint32_t id = 0;
  for (const ConvSetup& s : setups()) {
    INFO(s.x << " to " << s.to);
    const Pair x = normal_pair(s.x, DType::f32, id++, 0.3), w = normal_pair(s.w(), DType::f32, id++),
               b = normal_pair(Shape::vector(s.to), DType::f32, id++),
               before = normal_pair(s.y(), DType::f32, id++);
    const Tensor transformed =
        unwritten(Shape::vector(onednn::winograd::transformed_size(s.w())), DType::f32);
    onednn::winograd::transform_weights(w.value.cview(), transformed.view().as<float>());
    for (const bool biased : {false, true}) {
      const Tensor plain = unwritten_exact(s.y());
      ref_backend().convolution->conv3d_forward(s.spec, x.exact.cview(), w.exact.cview(),
                                                biased ? b.exact.cview() : ConstView{}, plain.view());
      for (const Accum accum : {Accum::write, Accum::add}) {
        const Tensor got = for_any_threads([&] {
          const Tensor y = accum == Accum::add
                               ? from_values(memory, s.y(), DType::f32, to_values(before.value))
                               : unwritten(s.y(), DType::f32);
          onednn::winograd::forward(memory, s.spec, x.value.cview(), transformed.cview().as<float>(),
                                    biased ? b.value.cview() : ConstView{}, y.view(), accum);
          return y;
        });
        const Tensor expected = begun_exact(before);
        ref_backend().pointwise->scale(plain.cview(), 1.0, expected.view(), accum);
        check_near(got, expected, bound_of(DType::f32));
      }
    }
  }
}

TEST_CASE("winograd's flipped weights are the transform of flipped weights") {
  for (const Shape& shape : {Shape{16, 3, 3, 3, 24}, Shape{8, 1, 3, 3, 40}, Shape{24, 2, 3, 3, 16}}) {
    const Pair w = normal_pair(shape, DType::f32, 90);
    const Shape swapped{shape.c, shape.d, 3, 3, shape.n};
    const Tensor turned = unwritten(swapped, DType::f32);
    onednn::flip_weights(w.value.cview(), turned.view().as<float>());
    const Shape size = Shape::vector(onednn::winograd::transformed_size(shape));
    const Tensor got = unwritten(size, DType::f32), expected = unwritten(size, DType::f32);
    onednn::winograd::transform_flipped(w.value.cview(), got.view().as<float>());
    onednn::winograd::transform_weights(turned.cview(), expected.view().as<float>());
    CHECK(same_bytes(got, expected));
  }
}

TEST_CASE("winograd weights: the gradient, writing and adding, any threads") {
  std::uint32_t id = 50;
  for (const ConvSetup& s : setups()) {
    INFO(s.x << " to " << s.to);
    check_weights_gradient(s, id, onednn::winograd::weights_gradient, 0.3);
  }
}

TEST_CASE("the convolution takes winograd for all three passes, and follows the weights' versions") {
  Backend& backend = backend_of("onednn");
  const ConvSetup s{{2, 4, 12, 16, 16}, 24, {}};
  for (const ConvPass pass : {ConvPass::forward, ConvPass::data, ConvPass::weights})
    CHECK(backend.convolution->implementation(pass, s.spec, s.x, s.w(), DType::f32) == "own:winograd");
  const Pair x = normal_pair(s.x, DType::f32, 100), dy = normal_pair(s.y(), DType::f32, 101);
  const Tensor w = unwritten(s.w(), DType::f32);
  for (std::uint32_t version = 1; version <= 3; ++version) {
    const Pair values = normal_pair(s.w(), DType::f32, 200 + version);
    std::copy_n(values.value.cview().as<float>(), w.shape().elements(), w.view().as<float>());
    ConstView seen = w.cview();
    seen.version = version;
    const Tensor y = unwritten(s.y(), DType::f32), dx = unwritten(s.x, DType::f32);
    const Tensor y_exact = unwritten_exact(s.y()), dx_exact = unwritten_exact(s.x);
    for (int again = 0; again < 2; ++again) {
      backend.convolution->conv3d_forward(s.spec, x.value.cview(), seen, {}, y.view());
      backend.convolution->conv3d_backward_data(s.spec, dy.value.cview(), seen, dx.view(), Accum::write);
    }
    ref_backend().convolution->conv3d_forward(s.spec, x.exact.cview(), values.exact.cview(), {},
                                              y_exact.view());
    ref_backend().convolution->conv3d_backward_data(s.spec, dy.exact.cview(), values.exact.cview(),
                                                    dx_exact.view(), Accum::write);
    check_near(y, y_exact, bound_of(DType::f32));
    check_near(dx, dx_exact, bound_of(DType::f32));
  }
}

TEST_CASE("the convolution adds winograd's data gradient, and transposed convolutions have their bias") {
  Backend& backend = backend_of("onednn");
  for (const Conv3dSpec& spec : {Conv3dSpec{}, Conv3dSpec{{1, 3, 3}, {1, 1, 1}, {0, 1, 1}},
                                 Conv3dSpec{{2, 3, 3}, {1, 1, 1}, {1, 1, 1}}}) {
    const ConvSetup s{{2, 4, 12, 16, 16}, 24, spec};
    REQUIRE(backend.convolution->implementation(ConvPass::data, spec, s.x, s.w(), DType::f32) ==
            "own:winograd");
    const Pair w = normal_pair(s.w(), DType::f32, 400), dy = normal_pair(s.y(), DType::f32, 401),
               b = normal_pair(Shape::vector(s.x.c), DType::f32, 402),
               before = normal_pair(s.x, DType::f32, 403);
    const Tensor dx = from_values(backend.memory, s.x, DType::f32, to_values(before.value));
    const Tensor dx_exact = begun_exact(before);
    backend.convolution->conv3d_backward_data(spec, dy.value.cview(), w.value.cview(), dx.view(), Accum::add);
    ref_backend().convolution->conv3d_backward_data(spec, dy.exact.cview(), w.exact.cview(), dx_exact.view(),
                                                    Accum::add);
    check_near(dx, dx_exact, bound_of(DType::f32));
    const Tensor y = unwritten(s.x, DType::f32), y_exact = unwritten_exact(s.x);
    backend.convolution->conv_transpose3d_forward(spec, dy.value.cview(), w.value.cview(), b.value.cview(),
                                                  y.view());
    ref_backend().convolution->conv_transpose3d_forward(spec, dy.exact.cview(), w.exact.cview(),
                                                        b.exact.cview(), y_exact.view());
    check_near(y, y_exact, bound_of(DType::f32));
  }
}

TEST_CASE("winograd leaves to others what it cannot do, or what does not pay") {
  using onednn::winograd::fits;
  using onednn::winograd::fits_gradient;
  const Shape x{1, 8, 16, 16, 16}, w{16, 3, 3, 3, 16};
  CHECK(fits({}, x, w));
  CHECK(fits_gradient({}, x, w));
  CHECK_FALSE(fits({{3, 3, 3}, {1, 1, 2}, {1, 1, 1}}, x, w));
  CHECK_FALSE(fits({{3, 3, 3}, {1, 1, 1}, {1, 1, 0}}, x, w));
  CHECK_FALSE(fits({{3, 3, 5}, {1, 1, 1}, {1, 1, 1}}, x, {16, 3, 3, 5, 16}));
  CHECK_FALSE(fits({}, x.with_channels(12), {16, 3, 3, 3, 12}));
  CHECK_FALSE(fits({}, x, {12, 3, 3, 3, 16}));
  CHECK_FALSE(fits({}, {64, 4, 3, 5, 16}, w));  // tiles half empty
  CHECK_FALSE(fits({}, {1, 4, 6, 4, 16}, w));   // too few
  CHECK_FALSE(fits({}, x.with_channels(256), {256, 3, 3, 3, 256}));
  CHECK(fits({}, x.with_channels(8), {8, 3, 3, 3, 8}));
  CHECK_FALSE(fits_gradient({}, x.with_channels(8), {8, 3, 3, 3, 8}));
}

}  // namespace duet::testing

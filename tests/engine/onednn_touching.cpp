// The CPU room's own product for windows that touch, against the reference in double: the data gradient, and
// the transposed convolution with its bias.
#include "engine/backend/onednn/touching.h"
#include "tests/engine/onednn_numbers.h"

namespace duet::testing {

TEST_CASE(
    "touching windows: rows of every length, channels, kernels; bias; writing and adding, any threads") {
  struct Setup {
    Shape x;
    Index co;
    Triple kernel;
  };
  std::uint32_t id = 300;
  for (const Setup& s : {Setup{{2, 4, 6, 32, 8}, 16, {2, 2, 2}}, Setup{{1, 2, 2, 6, 24}, 8, {2, 2, 2}},
                         Setup{{1, 1, 4, 22, 16}, 32, {1, 2, 2}}, Setup{{1, 3, 2, 15, 40}, 24, {3, 1, 3}},
                         Setup{{3, 2, 2, 2, 8}, 8, {2, 2, 2}}, Setup{{1, 2, 4, 6, 32}, 64, {2, 2, 2}}}) {
    INFO(s.x << " to " << s.co);
    const Conv3dSpec spec{s.kernel, s.kernel, {0, 0, 0}};
    const Shape w_shape{s.co, s.kernel[0], s.kernel[1], s.kernel[2], s.x.c};
    REQUIRE(onednn::touching::fits(spec, s.x, w_shape));
    const Pair w = normal_pair(w_shape, DType::f32, id++),
               dy = normal_pair(conv3d_output_shape(spec, s.x, w_shape), DType::f32, id++),
               b = normal_pair(Shape::vector(s.x.c), DType::f32, id++),
               before = normal_pair(s.x, DType::f32, id++);
    for (const Accum accum : {Accum::write, Accum::add}) {
      const Tensor got = for_any_threads([&] {
        const Tensor dx = begun(accum, before);
        onednn::touching::data_gradient(spec, dy.value.cview(), w.value.cview(), {}, dx.view(), accum);
        return dx;
      });
      const Tensor expected = begun_exact(before);
      ref_backend().convolution->conv3d_backward_data(spec, dy.exact.cview(), w.exact.cview(),
                                                      expected.view(), accum);
      check_near(got, expected, bound_of(DType::f32));
    }
    const Tensor y = unwritten(s.x, DType::f32), y_exact = unwritten_exact(s.x);
    backend_of("onednn").convolution->conv_transpose3d_forward(spec, dy.value.cview(), w.value.cview(),
                                                               b.value.cview(), y.view());
    ref_backend().convolution->conv_transpose3d_forward(spec, dy.exact.cview(), w.exact.cview(),
                                                        b.exact.cview(), y_exact.view());
    check_near(y, y_exact, bound_of(DType::f32));
    // More channels only where a sample is beyond what the library's kernels reach (with AVX2).
    if (s.co > onednn::touching::kMostChannels) continue;
    CHECK(backend_of("onednn").convolution->implementation(ConvPass::data, spec, s.x, w_shape, DType::f32) ==
          "own:touching");
  }
}

TEST_CASE("windows that overlap or leave a rest are left to oneDNN") {
  using onednn::touching::fits;
  const Shape x{1, 4, 4, 4, 8}, w{16, 2, 2, 2, 8};
  const Conv3dSpec halving{{2, 2, 2}, {2, 2, 2}, {0, 0, 0}};
  CHECK(fits(halving, x, w));
  CHECK_FALSE(fits(halving, {1, 4, 4, 5, 8}, w));
  CHECK_FALSE(fits(halving, x.with_channels(4), {16, 2, 2, 2, 4}));
  CHECK_FALSE(fits(halving, x, {36, 2, 2, 2, 8}));
  CHECK_FALSE(fits({{3, 3, 3}, {2, 2, 2}, {1, 1, 1}}, x, {16, 3, 3, 3, 8}));
  CHECK_FALSE(fits({{1, 1, 1}, {1, 1, 1}, {0, 0, 0}}, x, {16, 1, 1, 1, 8}));
}

}  // namespace duet::testing

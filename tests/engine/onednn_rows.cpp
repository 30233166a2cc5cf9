// The CPU room's own weight gradient over rows, against the reference in double: called directly, as a
// processor with AVX-512 never takes it by itself.
#include "engine/backend/onednn/row_weights.h"
#include "tests/engine/onednn_numbers.h"

namespace duet::testing {
TEST_CASE("row_weights: channels, sizes, 2D, one row, more planes than tasks; writing, adding, any threads") {
  const Conv3dSpec cube, flat{{1, 3, 3}, {1, 1, 1}, {0, 1, 1}}, row{{1, 1, 3}, {1, 1, 1}, {0, 0, 1}},
      shrinking{{3, 3, 3}, {1, 1, 1}, {0, 0, 1}}, wide{{3, 5, 3}, {1, 1, 1}, {2, 3, 1}};
  std::uint32_t id = 0;
  for (const ConvSetup& s : {ConvSetup{{2, 5, 6, 8, 8}, 8, cube}, ConvSetup{{1, 3, 9, 11, 16}, 4, cube},
                             ConvSetup{{3, 1, 17, 9, 8}, 12, flat}, ConvSetup{{1, 4, 5, 8, 24}, 8, row},
                             ConvSetup{{2, 4, 5, 10, 8}, 8, shrinking}, ConvSetup{{1, 3, 4, 8, 8}, 4, wide},
                             ConvSetup{{2, 19, 3, 8, 64}, 64, cube}}) {
    const Shape w = s.w(), y = s.y();
    INFO(s.x << " to " << s.to);
    REQUIRE(onednn::fits_row_weights(s.spec, s.x, w));
    const Pair x = normal_pair(s.x, DType::f32, id++), dy = normal_pair(y, DType::f32, id++),
               before = normal_pair(w, DType::f32, id++);
    const auto memory = backend_of("onednn").memory;
    for (const Accum accum : {Accum::write, Accum::add}) {
      const Tensor got = for_any_threads([&] {
        const Tensor dw = accum == Accum::add ? from_values(memory, w, DType::f32, to_values(before.value))
                                              : unwritten(w, DType::f32);
        onednn::row_weights(memory, s.spec, x.value.cview(), dy.value.cview(), dw.view(), accum);
        return dw;
      });
      const Tensor expected = from_values(ref_backend().memory, w, DType::f64, to_values(before.exact));
      ref_backend().convolution->conv3d_backward_weights(s.spec, x.exact.cview(), dy.exact.cview(),
                                                         expected.view(), accum);
      check_near(got, expected, bound_of(DType::f32));
    }
  }
}

TEST_CASE("row_weights leaves to oneDNN what it cannot do") {
  const Shape x{1, 8, 8, 8, 8}, w{8, 3, 3, 3, 8};
  CHECK(onednn::fits_row_weights({}, x, w));
  CHECK_FALSE(onednn::fits_row_weights({}, {1, 8, 8, 7, 8}, w));
  CHECK_FALSE(onednn::fits_row_weights({}, x.with_channels(12), {8, 3, 3, 3, 12}));
  CHECK_FALSE(onednn::fits_row_weights({}, x, {6, 3, 3, 3, 8}));
  CHECK_FALSE(onednn::fits_row_weights({}, x.with_channels(128), {8, 3, 3, 3, 128}));
  CHECK_FALSE(onednn::fits_row_weights({{3, 3, 3}, {1, 1, 2}, {1, 1, 1}}, x, w));
  CHECK_FALSE(onednn::fits_row_weights({{3, 3, 3}, {1, 1, 1}, {1, 1, 0}}, x, w));
  CHECK_FALSE(onednn::fits_row_weights({{2, 2, 2}, {2, 2, 2}, {0, 0, 0}}, x, {8, 2, 2, 2, 8}));
}

}  // namespace duet::testing

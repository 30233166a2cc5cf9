// The CPU room's own weight gradient over rows, against the reference in double: called directly, as with
// AVX-512 it is taken by itself for 8 channels only.
#include "engine/backend/onednn/row_weights.h"
#include "tests/engine/onednn_numbers.h"

namespace duet::testing {
TEST_CASE("row_weights: channels, sizes, 2D, one row, more planes than tasks; writing, adding, any threads") {
  const Conv3dSpec cube, flat{{1, 3, 3}, {1, 1, 1}, {0, 1, 1}}, row{{1, 1, 3}, {1, 1, 1}, {0, 0, 1}},
      shrinking{{3, 3, 3}, {1, 1, 1}, {0, 0, 1}}, wide{{3, 5, 3}, {1, 1, 1}, {2, 3, 1}};
  std::uint32_t id = 0;
  for (const ConvSetup& s : {ConvSetup{{2, 5, 6, 8, 8}, 8, cube}, ConvSetup{{1, 3, 9, 11, 16}, 4, cube},
                             ConvSetup{{2, 3, 10, 8, 32}, 8, cube}, ConvSetup{{3, 1, 17, 9, 8}, 12, flat},
                             ConvSetup{{1, 4, 5, 8, 24}, 8, row}, ConvSetup{{2, 4, 5, 10, 8}, 8, shrinking},
                             ConvSetup{{1, 3, 4, 8, 8}, 4, wide}, ConvSetup{{2, 19, 3, 8, 64}, 64, cube}}) {
    INFO(s.x << " to " << s.to);
    REQUIRE(onednn::fits_row_weights(s.spec, s.x, s.w()));
    check_weights_gradient(s, id, onednn::row_weights);
  }
}

TEST_CASE("the backend takes row_weights where either side has 8 channels, on any processor") {
  const auto way = [](Index from, Index to, DType type) {
    return way_of(ConvPass::weights, {{2, 16, 16, 16, from}, to, {}}, type);
  };
  CHECK(way(8, 8, DType::f32) == "own:rows");
  CHECK(way(16, 8, DType::f32) == "own:rows");
  CHECK(way(8, 16, DType::f32) == "own:rows");
  CHECK(way(16, 16, DType::f32) != "own:rows");
  CHECK(way(8, 8, DType::bf16) != "own:rows");
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

// The CPU room's own weight gradient of a network's first convolution, against the reference in double.
#include "engine/backend/onednn/one_channel.h"
#include "tests/engine/onednn_numbers.h"

namespace duet::testing {

TEST_CASE("one channel: sizes, 2D, paddings, more planes than tasks; writing and adding, any threads") {
  const Conv3dSpec cube, flat{{1, 3, 3}, {1, 1, 1}, {0, 1, 1}}, bare{{3, 3, 3}, {1, 1, 1}, {0, 0, 0}},
      wide{{2, 3, 3}, {1, 1, 1}, {1, 3, 2}};
  std::uint32_t id = 700;
  for (const ConvSetup& s : {ConvSetup{{1, 1, 1, 1, 1}, 8, cube}, ConvSetup{{2, 5, 6, 9, 1}, 16, cube},
                             ConvSetup{{3, 1, 17, 12, 1}, 8, flat}, ConvSetup{{2, 4, 5, 6, 1}, 24, bare},
                             ConvSetup{{1, 3, 4, 5, 1}, 8, wide}, ConvSetup{{2, 19, 3, 8, 1}, 16, cube}}) {
    INFO(s.x << " to " << s.to);
    REQUIRE(onednn::one_channel::fits(s.spec, s.x, s.w()));
    check_weights_gradient(s, id, onednn::one_channel::weights_gradient);
    CHECK(backend_of("onednn").convolution->implementation(ConvPass::weights, s.spec, s.x, s.w(),
                                                           DType::f32) == "own:one channel");
  }
}

TEST_CASE("one channel: strides, other kernels and channels are left to others") {
  using onednn::one_channel::fits;
  const Shape x{1, 4, 4, 4, 1}, w{8, 3, 3, 3, 1};
  CHECK(fits({}, x, w));
  CHECK_FALSE(fits({{3, 3, 3}, {1, 1, 2}, {1, 1, 1}}, x, w));
  CHECK_FALSE(fits({{3, 5, 3}, {1, 1, 1}, {1, 2, 1}}, x, {8, 3, 5, 3, 1}));
  CHECK_FALSE(fits({}, x.with_channels(2), {8, 3, 3, 3, 2}));
  CHECK_FALSE(fits({}, x, {12, 3, 3, 3, 1}));
}

}  // namespace duet::testing

// The CPU room's own loops of a network's first convolution, against the reference in double.
#include "engine/backend/onednn/one_channel.h"
#include "engine/backend/onednn/vectors.h"
#include "tests/engine/onednn_numbers.h"

namespace duet::testing {
namespace {

// Sizes, 2D, paddings, one vector of channels and several, rows shorter and longer than what is made at once,
// more planes than tasks.
template <class Body>
void for_each_setup(const Body& body) {
  const Conv3dSpec cube, flat{{1, 3, 3}, {1, 1, 1}, {0, 1, 1}}, bare{{3, 3, 3}, {1, 1, 1}, {0, 0, 0}},
      wide{{2, 3, 3}, {1, 1, 1}, {1, 3, 2}};
  for (const ConvSetup& s : {ConvSetup{{1, 1, 1, 1, 1}, 8, cube}, ConvSetup{{2, 5, 6, 9, 1}, 16, cube},
                             ConvSetup{{3, 1, 17, 12, 1}, 8, flat}, ConvSetup{{2, 4, 5, 6, 1}, 24, bare},
                             ConvSetup{{1, 3, 4, 5, 1}, 8, wide}, ConvSetup{{2, 19, 3, 8, 1}, 16, cube},
                             ConvSetup{{1, 2, 3, 19, 1}, 32, cube}}) {
    INFO(s.x << " to " << s.to);
    REQUIRE(onednn::one_channel::fits(s.spec, s.x, s.w()));
    for (const DType type : {DType::f32, DType::bf16}) {
      INFO(name_of(type));
      body(s, type);
    }
  }
}

}  // namespace

TEST_CASE("one channel forward, with and without bias, any threads") {
  std::uint32_t id = 600;
  for_each_setup([&](const ConvSetup& s, DType type) {
    const Pair x = normal_pair(s.x, type, id++), w = normal_pair(s.w(), DType::f32, id++),
               b = normal_pair(Shape::vector(s.to), DType::f32, id++);
    for (const bool bias : {true, false}) {
      const Tensor got = for_any_threads([&] {
        Tensor y = unwritten(s.y(), type);
        onednn::one_channel::forward(backend_of("onednn").memory, s.spec, x.value.cview(), w.value.cview(),
                                     bias ? b.value.cview() : ConstView(), y.view());
        return y;
      });
      const Tensor expected = unwritten_exact(s.y());
      ref_backend().convolution->conv3d_forward(s.spec, x.exact.cview(), w.exact.cview(),
                                                bias ? b.exact.cview() : ConstView(), expected.view());
      check_near(got, expected, bound_of(type));
    }
    // By the backend, too, with AVX-512.
    CHECK((way_of(ConvPass::forward, s, type) == "own:one channel") == (onednn::kVector == 16));
  });
}

TEST_CASE("one channel's weight gradient, writing and adding, any threads") {
  std::uint32_t id = 700;
  for_each_setup([&](const ConvSetup& s, DType type) {
    check_weights_gradient(s, id, onednn::one_channel::weights_gradient, 0.0, type);
    CHECK(backend_of("onednn").convolution->implementation(ConvPass::weights, s.spec, s.x, s.w(), type) ==
          "own:one channel");
  });
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

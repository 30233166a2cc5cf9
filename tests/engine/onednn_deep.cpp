// The CPU room's own gradients of convolutions of few voxels, against the reference in double: called
// directly, as a processor with AVX-512 never takes it by itself.
#include "engine/backend/onednn/deep.h"
#include "tests/engine/onednn_numbers.h"

namespace duet::testing {
namespace {

namespace deep = onednn::deep;

const Conv3dSpec kCube, kFlat{{1, 3, 3}, {1, 1, 1}, {0, 1, 1}}, kPoint{{1, 1, 1}, {1, 1, 1}, {0, 0, 0}},
    kShrinking{{3, 3, 3}, {1, 1, 1}, {0, 2, 1}}, kEven{{2, 3, 2}, {1, 1, 1}, {1, 1, 0}};

// One voxel, tiles with a rest, more voxels than a task has where threads are many, 2D, other kernels.
const std::vector<ConvSetup> kSetups{
    ConvSetup{{1, 1, 1, 1, 16}, 16, kCube},  ConvSetup{{4, 2, 3, 2, 32}, 48, kCube},
    ConvSetup{{2, 5, 7, 7, 16}, 32, kCube},  ConvSetup{{3, 1, 9, 5, 32}, 16, kFlat},
    ConvSetup{{1, 4, 4, 5, 16}, 16, kPoint}, ConvSetup{{2, 3, 4, 5, 16}, 32, kShrinking},
    ConvSetup{{2, 3, 4, 5, 32}, 16, kEven}};

}  // namespace

TEST_CASE("deep stages: both gradients of every setup; writing and adding, any threads") {
  const auto memory = backend_of("onednn").memory;
  std::uint32_t id = 500;
  for (const ConvSetup& s : kSetups) {
    INFO(s.x << " to " << s.to);
    REQUIRE(deep::fits(s.spec, s.x, s.w()));
    check_weights_gradient(s, id, deep::weights_gradient);
    const Pair before = normal_pair(s.x, DType::f32, id++), w = normal_pair(s.w(), DType::f32, id++),
               dy = normal_pair(s.y(), DType::f32, id++);
    for (const Accum accum : {Accum::write, Accum::add}) {
      const Tensor dx = for_any_threads([&] {
        const Tensor to = begun(accum, before);
        deep::data_gradient(memory, s.spec, dy.value.cview(), w.value.cview(), to.view(), accum);
        return to;
      });
      const Tensor expected = begun_exact(before);
      ref_backend().convolution->conv3d_backward_data(s.spec, dy.exact.cview(), w.exact.cview(),
                                                      expected.view(), accum);
      check_near(dx, expected, bound_of(DType::f32));
    }
  }
}

TEST_CASE("deep stages: the backend takes these loops for the fewest voxels on any processor") {
  for (const ConvPass pass : {ConvPass::data, ConvPass::weights}) {
    const ConvSetup setup{{4, 2, 3, 2, 128}, 128, {}};
    CHECK(way_of(pass, setup, DType::f32) == "own:deep");
    CHECK(way_of(pass, setup, DType::bf16) != "own:deep");
  }
}

TEST_CASE("deep stages: strides, wide paddings, odd channels and many voxels are left to others") {
  const Shape x{1, 4, 4, 4, 32}, w{32, 3, 3, 3, 32};
  CHECK(deep::fits({}, x, w));
  CHECK_FALSE(deep::fits({{3, 3, 3}, {2, 1, 1}, {1, 1, 1}}, x, w));
  CHECK_FALSE(deep::fits({{3, 3, 3}, {1, 1, 1}, {3, 1, 1}}, x, w));
  CHECK_FALSE(deep::fits({{3, 5, 3}, {1, 1, 1}, {1, 2, 1}}, x, {32, 3, 5, 3, 32}));
  CHECK_FALSE(deep::fits({}, x.with_channels(24), {32, 3, 3, 3, 24}));
  CHECK_FALSE(deep::fits({}, x, {24, 3, 3, 3, 32}));
  CHECK_FALSE(deep::fits({}, {2, 16, 16, 16, 32}, w));
}

}  // namespace duet::testing

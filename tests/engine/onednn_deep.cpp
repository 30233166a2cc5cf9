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

Tensor began(Accum accum, const Pair& before) {
  const Shape& shape = before.value.shape();
  if (accum == Accum::write) return unwritten(shape, DType::f32);
  return from_values(backend_of("onednn").memory, shape, DType::f32, to_values(before.value));
}
Tensor began_exact(const Pair& before) {
  return from_values(ref_backend().memory, before.exact.shape(), DType::f64, to_values(before.exact));
}

}  // namespace

TEST_CASE("deep stages: both gradients of every setup; writing and adding, any threads") {
  const auto memory = backend_of("onednn").memory;
  ConvolutionKernels& exact = *ref_backend().convolution;
  std::uint32_t id = 500;
  for (const ConvSetup& s : kSetups) {
    INFO(s.x << " to " << s.to);
    REQUIRE(deep::fits(s.spec, s.x, s.w()));
    const Pair x = normal_pair(s.x, DType::f32, id++), w = normal_pair(s.w(), DType::f32, id++),
               y = normal_pair(s.y(), DType::f32, id++);
    for (const Accum accum : {Accum::write, Accum::add}) {
      const Tensor dx = for_any_threads([&] {
        const Tensor to = began(accum, x);
        deep::data_gradient(memory, s.spec, y.value.cview(), w.value.cview(), to.view(), accum);
        return to;
      });
      const Tensor dx_exact = began_exact(x);
      exact.conv3d_backward_data(s.spec, y.exact.cview(), w.exact.cview(), dx_exact.view(), accum);
      check_near(dx, dx_exact, bound_of(DType::f32));

      const Tensor dw = for_any_threads([&] {
        const Tensor to = began(accum, w);
        deep::weights_gradient(memory, s.spec, x.value.cview(), y.value.cview(), to.view(), accum);
        return to;
      });
      const Tensor dw_exact = began_exact(w);
      exact.conv3d_backward_weights(s.spec, x.exact.cview(), y.exact.cview(), dw_exact.view(), accum);
      check_near(dw, dw_exact, bound_of(DType::f32));
    }
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

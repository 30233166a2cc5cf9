// Convolutions that a version of the library may compute wrongly: which they are, that each is compared with
// own kernels once, and what runs after that.
#include <doctest/doctest.h>

#include "engine/backend/cuda/calls.h"
#include "tests/engine/cuda/convolution_bench.h"

namespace duet::testing {
namespace {

constexpr std::size_t kErring = 91002, kSound = 91900;

cuda::ConvCall call_in(DType type, const Shape& x) {
  cuda::ConvCall call{};
  call.x = call.y = x;
  call.w = {8, x.d == 1 ? 1 : 3, 3, 3, 8};
  call.activations = call.weights = type;
  call.spec = {{call.w.d, 3, 3}, {1, 1, 1}, {x.d == 1 ? 0 : 1, 1, 1}};
  return call;
}

// One convolution and its gradients on both sides; `accum` of the gradients.
struct Passes {
  Bench& bench;
  DType type;
  Pair x, w, dy;
  Passes(Bench& bench, DType type, const Shape& shape = {2, 4, 3, 5, 24})
      : bench(bench),
        type(type),
        x(bench.random(shape, type)),
        w(bench.random({8, 3, 3, 3, shape.c}, master_type(type))),
        dy(bench.random(shape.with_channels(8), type)) {}

  // The largest error over the three passes.
  double run(Accum accum) const {
    const Pair y = bench.target(dy.value.shape(), type, Accum::write);
    const Pair dx = bench.target(x.value.shape(), type, accum);
    const Pair dw = bench.target(w.value.shape(), master_type(type), accum);
    for (const auto side : kSides) {
      ConvolutionKernels& conv = side == &Pair::value ? bench.conv() : bench.exact();
      conv.conv3d_forward(kSame, (x.*side).cview(), (w.*side).cview(), {}, (y.*side).view());
      conv.conv3d_backward_data(kSame, (dy.*side).cview(), (w.*side).cview(), (dx.*side).view(), accum);
      conv.conv3d_backward_weights(kSame, (x.*side).cview(), (dy.*side).cview(), (dw.*side).view(), accum);
    }
    return std::max({difference(y), difference(dx), difference(dw)});
  }
  double forward(const Pair& from) const {
    const Pair y = bench.target(from.value.shape().with_channels(8), type, Accum::write);
    bench.conv().conv3d_forward(kSame, from.value.cview(), w.value.cview(), {}, y.value.view());
    bench.exact().conv3d_forward(kSame, from.exact.cview(), w.exact.cview(), {}, y.exact.view());
    return difference(y);
  }
};

}  // namespace

TEST_CASE("versions 9.8 to 9.15 may err, in 3D, in bf16 and TF32") {
  const Shape volume{1, 4, 4, 4, 8}, slice{1, 1, 4, 4, 8};
  for (const std::size_t version : {90800, 91002, 91599}) {
    CHECK(cuda::may_err(version, call_in(DType::bf16, volume), false));
    CHECK(cuda::may_err(version, call_in(DType::f32, volume), true));
    CHECK(!cuda::may_err(version, call_in(DType::f32, volume), false));
    CHECK(!cuda::may_err(version, call_in(DType::f64, volume), true));
    CHECK(!cuda::may_err(version, call_in(DType::bf16, slice), true));
  }
  for (const std::size_t version : {90701, 91600, 91900}) {
    CHECK(!cuda::may_err(version, call_in(DType::bf16, volume), true));
    CHECK(!cuda::may_err(version, call_in(DType::f32, volume), true));
  }
}

TEST_CASE("a plan that is right is compared once, for each pass and for adding") {
  for (const DType type : {DType::bf16, DType::f32}) {
    Bench bench;
    bench.driver->host.version = kErring;
    bench.driver->host.tf32 = type == DType::f32;
    const Passes passes(bench, type);
    for (const Accum accum : {Accum::write, Accum::add}) {
      bench.forget();
      CHECK(passes.run(accum) <= bound_of(type));
      // The forward pass is the same in both rounds.
      CHECK(bench.launches("conv3d proof") == (accum == Accum::write ? 3 : 2));
      CHECK(bench.driver->asked.size() == (accum == Accum::write ? 6 : 5));
      bench.forget();
      CHECK(passes.run(accum) <= bound_of(type));
      CHECK(bench.launches("conv3d proof") == 0);
      CHECK(bench.driver->asked.size() == 3);
    }
  }
}

TEST_CASE("a plan that is wrong gives way to the next, and to own kernels after the last") {
  for (const std::vector<bool>& right : std::vector<std::vector<bool>>{{false, true}, {false, false}}) {
    const bool ends_well = right.back();
    Bench bench;
    bench.driver->host.version = kErring;
    bench.driver->host.plans_right = right;
    const Passes passes(bench, DType::bf16);
    CHECK(passes.run(Accum::write) <= bound_of(DType::bf16));
    CHECK(bench.launches("conv3d proof") >= 6);
    bench.forget();
    CHECK(passes.run(Accum::write) <= bound_of(DType::bf16));
    CHECK(bench.launches("conv3d proof") == 0);
    CHECK(bench.calls().convolutions.size() == (ends_well ? 3 : 0));
    CHECK(bench.launches("conv3d forward") == (ends_well ? 0 : 1));
    const std::string name = bench.conv().implementation(ConvPass::forward, kSame, passes.x.value.shape(),
                                                         passes.w.value.shape(), DType::bf16);
    CHECK((name == "library") == ends_well);
  }
}

TEST_CASE("nothing is compared in f32, in 2D, and with versions that do not err") {
  struct Free {
    std::size_t version;
    bool tf32;
    DType type;
  };
  for (const Free& f :
       {Free{kErring, false, DType::f32}, {kSound, true, DType::f32}, {kSound, false, DType::bf16}}) {
    Bench bench;
    bench.driver->host.version = f.version;
    bench.driver->host.tf32 = f.tf32;
    CHECK(Passes(bench, f.type).run(Accum::write) <= bound_of(f.type));
    CHECK(bench.driver->asked.size() == 3);
    CHECK(bench.launches("conv3d proof") == 0);
  }
}

TEST_CASE("operands of the comparison are aligned as the call's") {
  Bench bench;
  bench.driver->host.version = kErring;
  const Passes passes(bench, DType::bf16, {2, 3, 3, 3, 3});
  CHECK(passes.forward(passes.x.samples(1, 2)) <= bound_of(DType::bf16));  // 81 elements on
  REQUIRE(bench.driver->asked.size() == 2);
  CHECK(cuda::alignment_of(bench.driver->asked[1].first) == 2);
  CHECK(cuda::alignment_of(bench.driver->asked[0].first) == 2);
}

TEST_CASE("without memory to compare, own kernels run, and it is tried again") {
  Bench bench;
  bench.driver->host.version = kErring;
  const Passes passes(bench, DType::bf16, {1, 12, 12, 12, 8});
  const Pair y = bench.target(passes.dy.value.shape(), DType::bf16, Accum::write);
  const auto forward = [&] {
    bench.forget();
    bench.conv().conv3d_forward(kSame, passes.x.value.cview(), passes.w.value.cview(), {}, y.value.view());
  };
  Allocator& memory = *bench.room->memory;
  memory.release_cached();
  memory.set_limit(memory.counters().reserved_bytes + (std::size_t{48} << 10));
  forward();
  CHECK(bench.calls().convolutions.empty());
  CHECK(bench.launches("conv3d forward") == 1);
  bench.driver->host.repeats = true;  // own kernels add up in another order
  CHECK_THROWS_WITH_AS(forward(), doctest::Contains("convolution that is checked"), Error);
  CHECK(bench.launches("conv3d forward") == 0);
  memory.set_limit(0);
  forward();
  CHECK(bench.calls().convolutions.size() == 2);
}

}  // namespace duet::testing

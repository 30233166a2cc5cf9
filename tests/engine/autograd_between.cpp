// What may happen between forward and backward, and during it: values that change, kernels that throw, long
// chains, somebody who measures memory.
#include <doctest/doctest.h>

#include "engine/autograd/backward.h"
#include "engine/ops/conv.h"
#include "engine/ops/loss.h"
#include "engine/ops/norm.h"
#include "engine/ops/pointwise.h"
#include "tests/support/backends.h"
#include "tests/support/op_case.h"

namespace duet::testing {
namespace {

ParameterPtr leaf(const Shape& shape, const char* name) {
  std::vector<double> values(static_cast<std::size_t>(shape.elements()));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = 0.25 * static_cast<double>(i % 5) - 0.3;
  return make_parameter(name, from_values(ref_backend().memory, shape, DType::f64, values));
}

Var image(const Shape& shape) { return Var::constant(leaf(shape, "image")->value); }

BackwardStats run(const Var& loss) { return backward(ref_backend(), std::vector<LossTerm>{{loss}}); }

const Conv3dSpec kSame{{3, 3, 3}, {1, 1, 1}, {1, 1, 1}};

}  // namespace

TEST_CASE("weights that change between forward and backward are refused: the gradient would be of neither") {
  Backend& b = ref_backend();
  const ParameterPtr first = leaf({2, 3, 3, 3, 2}, "first"), second = leaf({2, 3, 3, 3, 2}, "second");
  const Var x = image({1, 3, 3, 3, 2});
  const auto loss = [&] {
    const Var y = conv3d(b, kSame, x, Var::parameter(first), {});
    return reduce_sum(b, {}, conv3d(b, kSame, y, Var::parameter(second), {}));
  };
  const Var before = loss();
  second->value.mark_changed();
  try {
    run(before);
    FAIL("no error");
  } catch (const EngineError& error) {
    CHECK(std::string(error.what()) ==
          "conv3d: an operand of shape (2,3,3,3,2) was changed between forward and backward");
  }
  for (const ParameterPtr& each : {first, second}) each->clear_gradient();
  run(loss());
  CHECK(first->has_gradient);
}

TEST_CASE("so is a slope of PReLU") {
  Backend& b = ref_backend();
  const ParameterPtr slope = leaf(Shape::vector(2), "slope");
  const Var loss =
      reduce_sum(b, {}, prelu(b, Var::parameter(leaf({1, 3, 3, 3, 2}, "x")), Var::parameter(slope)));
  slope->value.mark_changed();
  CHECK_THROWS_WITH_AS(run(loss), doctest::Contains("prelu: an operand"), EngineError);
}

TEST_CASE("running statistics that move between forward and backward do not change the gradient") {
  Backend& b = ref_backend();
  const Shape channels = Shape::vector(2);
  const auto gradient = [&](bool moves) {
    RunningStatistics running{b.filled(channels, DType::f64, 0.1, "mean"),
                              b.filled(channels, DType::f64, 2.0, "var")};
    const ParameterPtr gamma = leaf(channels, "gamma"), beta = leaf(channels, "beta");
    const auto pass = [&](NormMode mode) {
      return norm(b, {}, mode, image({2, 2, 3, 3, 2}), Var::parameter(gamma), Var::parameter(beta), &running);
    };
    const Var y = pass(NormMode::running);
    const Var loss = reduce_sum(b, {}, multiply(b, y, y));
    if (moves) pass(NormMode::batch);
    run(loss);
    return to_values(gamma->gradient);
  };
  CHECK(gradient(true) == gradient(false));
}

TEST_CASE("a kernel that throws leaves no gradient that was never written") {
  Backend& b = ref_backend();
  const ParameterPtr w = leaf({1, 1, 1, 1, 3}, "w");
  bool fails = true;
  const auto loss = [&] {
    const Var y = record("half", b.filled({1, 1, 1, 1, 3}, DType::f64, 1.0, "y"), {Var::parameter(w)},
                         [&](const Tensor& dy, NodeGradients& gradients) {
                           gradients.into(0, [&](View dx, Accum accum) {
                             if (fails) throw Error(ExitCode::device, "out of memory");
                             b.pointwise->scale(dy.cview(), 0.5, dx, accum);
                           });
                         });
    return reduce_sum(b, {}, y);
  };
  CHECK_THROWS_AS(run(loss()), Error);
  CHECK_FALSE(w->has_gradient);
  fails = false;
  run(loss());
  CHECK(to_values(w->gradient) == std::vector<double>(3, 0.5));
}

TEST_CASE("a chain of thousands of norms: no deep stack, and one pass a norm") {
  Backend& b = ref_backend();
  const ParameterPtr w = leaf({1, 1, 1, 6, 2}, "w");
  NormSpec spec;
  spec.kind = NormKind::instance;
  Var x = Var::parameter(w);
  for (int i = 0; i < 10000; ++i) x = norm(b, spec, NormMode::batch, x, {}, {});
  const BackwardStats stats = run(reduce_sum(b, {}, multiply(b, x, x)));
  CHECK(stats.nodes_visited == 10002);
  CHECK(w->has_gradient);
}

TEST_CASE("memory that is not there: the op, the bytes, the shape, what would help") {
  Backend& b = ref_backend();
  b.memory->release_cached();
  b.memory->set_limit(b.memory->counters().reserved_bytes + 4096);
  std::string message;
  try {
    b.filled({1, 64, 64, 64, 2}, DType::f64, 0.0, "conv3d");
  } catch (const Error& error) {
    message = error.what();
  }
  b.memory->set_limit(0);
  CHECK(message.starts_with("conv3d: 4 MiB more would exceed the memory limit"));
  CHECK(message.find("smaller patch") != std::string::npos);
  CHECK(message.ends_with("(asked for: (1,64,64,64,2) of f64)"));
}

TEST_CASE("backward measures its own peak and leaves the allocator's") {
  Backend& b = ref_backend();
  const ParameterPtr w = leaf({1, 1, 1, 1, 64}, "w");
  const Var loss = reduce_sum(b, {}, Var::parameter(w));
  b.memory->reset_peak();
  const std::size_t live = b.memory->counters().live_bytes;
  { const Tensor large = b.filled({1, 64, 64, 64, 1}, DType::f64, 0.0, "forward"); }
  const std::size_t peak = b.memory->counters().peak_bytes;
  CHECK(peak >= live + std::size_t{64 * 64 * 64 * 8});
  CHECK(run(loss).peak_bytes < peak);
  CHECK(b.memory->counters().peak_bytes == peak);
}

}  // namespace duet::testing

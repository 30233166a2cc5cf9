// Gradient lanes: one gradient a segment of the batch, in the one pass.
#include <doctest/doctest.h>
#include <limits>

#include "engine/ops/loss.h"
#include "engine/ops/pointwise.h"
#include "engine/ops/region.h"
#include "tests/engine/autograd_net.h"
#include "tests/support/backends.h"
#include "tests/support/op_case.h"

namespace duet::testing {
namespace {

const Shape kInput{5, 4, 6, 4, 2};
using Gradients = std::vector<std::vector<double>>;

// Losses that are sums over samples [begin, end), so that those of segments add up to that of the batch.
std::vector<LossTerm> sample_losses(Backend& backend, const Net& net, DType dtype, Index begin, Index end) {
  const Var x = Var::constant(net_input(backend, dtype, kInput).samples(begin, end));
  const Heads heads = run_net(backend, net, x);
  std::vector<LossTerm> terms;
  std::uint32_t which = 1;
  for (const Var& z : {heads.first, heads.second}) {
    const Tensor r =
        net_input(backend, dtype, kInput.with_channels(z.shape().c), which++).samples(begin, end);
    terms.push_back(
        {reduce_sum(backend, {}, multiply(backend, z, Var::constant(r))), which == 2 ? 1.0 : -0.3});
  }
  return terms;
}

void set_lanes(const Net& net, std::size_t lanes) {
  for (const ParameterPtr& parameter : net.parameters) parameter->lanes.assign(lanes, {});
}

Gradients lane_gradients(const Net& net, std::size_t lane) {
  Gradients all;
  for (const ParameterPtr& parameter : net.parameters) {
    REQUIRE(parameter->lanes.at(lane).has_gradient);
    all.push_back(to_values(parameter->lanes[lane].gradient));
  }
  return all;
}

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const EngineError& error) {
    return error.what();
  }
  return "no error";
}

void check_lanes(Backend& backend, DType dtype, const std::vector<Index>& segments, double tolerance) {
  const Net net = make_net(backend, dtype, 4);
  const BackwardStats plain = backward(backend, sample_losses(backend, net, dtype, 0, kInput.n));
  const Gradients whole = gradients_of(net);
  Gradients alone[3], sum;
  for (std::size_t lane = 0; lane + 1 < segments.size(); ++lane) {
    clear_gradients(net);
    backward(backend, sample_losses(backend, net, dtype, segments[lane], segments[lane + 1]));
    alone[lane] = gradients_of(net);
  }
  clear_gradients(net);
  set_lanes(net, segments.size() - 1);
  BackwardOptions options;
  options.segments = segments;
  const BackwardStats stats = backward(backend, sample_losses(backend, net, dtype, 0, kInput.n), options);
  CHECK(stats.nodes_visited == plain.nodes_visited);
  for (std::size_t lane = 0; lane + 1 < segments.size(); ++lane) {
    INFO("lane ", lane);
    CHECK(worst_difference(lane_gradients(net, lane), alone[lane]) <= tolerance);
    add_to(sum, lane_gradients(net, lane));
  }
  CHECK(worst_difference(sum, whole) <= tolerance);
  for (const ParameterPtr& parameter : net.parameters) CHECK(!parameter->has_gradient);
}

}  // namespace

TEST_CASE("lanes add up to the plain gradient, and each is the gradient of its segment alone") {
  for (const std::vector<Index>& segments :
       std::vector<std::vector<Index>>{{0, 2, 5}, {0, 1, 4, 5}, {0, 5}}) {
    INFO("lanes ", segments.size() - 1);
    check_lanes(ref_backend(), DType::f64, segments, 1e-12);
    for (const std::string& name : tested_backends()) {
      INFO(name);
      check_lanes(backend_of(name), DType::f32, segments, 1e-5);
    }
  }
}

TEST_CASE("lanes of some parameters leave the others' gradients plain") {
  Backend& backend = ref_backend();
  const Net net = make_net(backend, DType::f64, 4);
  backward(backend, sample_losses(backend, net, DType::f64, 0, 5));
  const Gradients whole = gradients_of(net);
  clear_gradients(net);
  BackwardOptions options;
  options.segments = {0, 2, 5};
  for (std::size_t i = 9; i < 13; ++i) net.parameters[i]->lanes.resize(2);
  backward(backend, sample_losses(backend, net, DType::f64, 0, 5), options);
  for (std::size_t i = 0; i < 9; ++i) CHECK(to_values(net.parameters[i]->gradient) == whole[i]);
  for (std::size_t i = 9; i < 13; ++i) {
    std::vector<double> sum = to_values(net.parameters[i]->lanes[0].gradient);
    const std::vector<double> second = to_values(net.parameters[i]->lanes[1].gradient);
    for (std::size_t k = 0; k < sum.size(); ++k) sum[k] += second[k];
    CHECK(relative_difference(sum, whole[i]) <= 1e-12);
  }
}

TEST_CASE("lanes are written over NaN, then added onto, until cleared") {
  for (const std::string& name : tested_backends()) {
    INFO(name);
    Backend& backend = backend_of(name);
    const Net net = make_net(backend, DType::f32, 4);
    set_lanes(net, 2);
    for (const ParameterPtr& parameter : net.parameters) {
      for (Parameter::Lane& lane : parameter->lanes) {
        lane.gradient =
            backend.filled(parameter->value.shape(), DType::f32, std::numeric_limits<double>::quiet_NaN());
      }
    }
    BackwardOptions options;
    options.segments = {0, 2, 5};
    backward(backend, sample_losses(backend, net, DType::f32, 0, 5), options);
    const Gradients once[2] = {lane_gradients(net, 0), lane_gradients(net, 1)};
    backward(backend, sample_losses(backend, net, DType::f32, 0, 5), options);
    for (std::size_t lane = 0; lane < 2; ++lane) {
      Gradients twice = once[lane];
      add_to(twice, once[lane]);
      CHECK(worst_difference(lane_gradients(net, lane), twice) <= 1e-5);
    }
    clear_gradients(net);
    backward(backend, sample_losses(backend, net, DType::f32, 0, 5), options);
    for (std::size_t lane = 0; lane < 2; ++lane) CHECK(lane_gradients(net, lane) == once[lane]);
  }
}

TEST_CASE("an op that cannot split its gradient is refused by name") {
  Backend& backend = ref_backend();
  const ParameterPtr w = make_parameter("gate", backend.filled({4, 1, 2, 2, 3}, DType::f32, 2.0));
  w->lanes.resize(2);
  const Var x = Var::constant(backend.filled({4, 1, 2, 2, 3}, DType::f32, 1.0));
  BackwardOptions options;
  options.segments = {0, 2, 4};
  const std::string message = message_of([&] {
    const Var loss = reduce_sum(backend, {}, multiply(backend, x, Var::parameter(w)));
    backward(backend, std::vector<LossTerm>{{loss}}, options);
  });
  CHECK(message ==
        "backward: parameter 'gate' has lanes, but the op 'multiply' cannot split its gradient by samples");
}

TEST_CASE("segments that do not divide the batch are refused") {
  Backend& backend = ref_backend();
  const Net net = make_net(backend, DType::f32, 2);
  set_lanes(net, 2);
  for (const std::vector<Index>& segments :
       std::vector<std::vector<Index>>{{}, {0, 5}, {0, 1, 2, 5}, {0, 2, 4}, {0, 2, 6}, {1, 2, 5}}) {
    BackwardOptions options;
    options.segments = segments;
    const std::string message =
        message_of([&] { backward(backend, sample_losses(backend, net, DType::f32, 0, 5), options); });
    INFO(message);
    CHECK(message.find("has 2 lanes, but the segments given do not divide the 5 samples of op") !=
          std::string::npos);
  }
  for (const std::vector<Index>& segments :
       std::vector<std::vector<Index>>{{0, 0, 5}, {0, 5, 5}, {0, 9, 5}, {0, -1, 5}}) {
    BackwardOptions options;
    options.segments = segments;
    const std::string message =
        message_of([&] { backward(backend, sample_losses(backend, net, DType::f32, 0, 5), options); });
    INFO(message);
    CHECK(message.find("is empty") != std::string::npos);
  }
}

TEST_CASE("an op on another batch than the segments' is refused") {
  Backend& backend = ref_backend();
  const Net net = make_net(backend, DType::f32, 2);
  set_lanes(net, 2);
  BackwardOptions options;
  options.segments = {0, 2, 5};
  const std::string message =
      message_of([&] { backward(backend, sample_losses(backend, net, DType::f32, 0, 3), options); });
  CHECK(message.find("do not divide the 3 samples of op") != std::string::npos);
}

}  // namespace duet::testing

// Dropout as a whole network has it: where it stands, of what kind and how much, and what its masks depend
// on. How masks fold into Monte Carlo passes: network_test.cpp.
#include <doctest/doctest.h>

#include "engine/autograd/node.h"
#include "engine/ops/pointwise.h"
#include "tests/nn/small_network.h"
#include "tests/support/backends.h"

using namespace duet;
using namespace duet::testing;

namespace {

NetworkConfig with_dropout(const char* architecture, DropoutKind kind, double p) {
  NetworkConfig config = small(architecture);
  config.dropout = kind;
  config.dropout_p = p;
  return config;
}

// Makes logit c channel c before the head, plus a bias: what dropout in front of the head does to a channel
// then shows in a logit.
constexpr double kBias[] = {0.5, -0.25};

void set_head(Network& network) {
  for (NamedTensor& tensor : network.state()) {
    if (tensor.name == "head.weight") from_pytorch_order(tensor, std::vector<float>{1, 0, 0, 1});
    if (tensor.name == "head.bias") from_pytorch_order(tensor, std::vector<float>{0.5f, -0.25f});
  }
}

// The share of zeros.
double dropped(const Tensor& tensor) {
  const std::vector<double> values = to_values(tensor);
  return static_cast<double>(std::count(values.begin(), values.end(), 0.0)) /
         static_cast<double>(values.size());
}

}  // namespace

TEST_CASE("a network drops at its bottleneck and before its head, by key, kind and p") {
  constexpr double kP = 0.3;
  for (const std::string& name : tested_backends()) {
    Backend& backend = backend_of(name);
    const Var x = image(backend, {4, 8, 8, 8, 1});
    const NoGrad nothing_recorded;
    for (const std::string architecture : {"vnet", "unet"}) {
      for (const DropoutKind kind : {DropoutKind::channels, DropoutKind::elements}) {
        for (const DropoutMode mode : {DropoutMode::train, DropoutMode::monte_carlo}) {
          CAPTURE(name);
          CAPTURE(architecture);
          CAPTURE(static_cast<int>(kind));
          CAPTURE(static_cast<int>(mode));
          const auto network = make_network(backend, with_dropout(architecture.c_str(), kind, kP), 1, 0);
          set_head(*network);
          ForwardContext context{backend};
          context.seed = 0x300000004;
          context.network = 5;
          context.step = 7;
          context.first_pass = 2;
          // The same by hand. The numbers of the layers are part of what a seed means: a trained network's
          // masks.
          const auto drop = [&](std::uint32_t layer, const Var& in) {
            DropoutSpec spec;
            spec.key = {0x300000004, Stream::dropout, 5, layer, 7, mode == DropoutMode::train ? 0u : 3u};
            spec.p = kP;
            spec.channels = kind == DropoutKind::channels;
            return dropout(backend, spec, in);
          };
          Encoding encoding = network->encode(context, x);
          context.dropout = mode;
          const Tensor logits = network->decode(context, encoding).value();

          Var& bottleneck = encoding.stages.back();
          bottleneck = drop(0, bottleneck);
          context.dropout = DropoutMode::off;
          std::vector<double> expected = to_values(network->decode(context, encoding).value());
          const Tensor mask = drop(1, Var::constant(backend.filled(logits.shape(), DType::f32, 1.0))).value();
          const std::vector<double> factors = to_values(mask);
          for (std::size_t i = 0; i < expected.size(); ++i)
            expected[i] = kBias[i % 2] + factors[i] * (expected[i] - kBias[i % 2]);
          CHECK(difference(logits, expected) < 1e-4);
          for (const Tensor& tensor : {bottleneck.value(), mask}) {  // there is something to see
            CHECK(dropped(tensor) > 0.05);
            CHECK(dropped(tensor) < 0.8);
          }
        }
      }
    }
  }
}

TEST_CASE("masks change with the seed, the step, the network and the pass, each alone") {
  for (const std::string& name : tested_backends()) {
    Backend& backend = backend_of(name);
    const Var x = image(backend, {2, 8, 8, 8, 1});
    const NoGrad nothing_recorded;
    for (const char* architecture : {"vnet", "unet"}) {
      for (const DropoutKind kind : {DropoutKind::channels, DropoutKind::elements}) {
        NetworkConfig config = with_dropout(architecture, kind, 0.5);
        config.width = 4;
        const auto network = make_network(backend, config, 1, 0);
        const auto logits = [&](std::uint64_t seed, std::uint32_t step, std::uint32_t number, Index pass) {
          ForwardContext context{backend, DropoutMode::monte_carlo};
          context.seed = seed;
          context.step = step;
          context.network = number;
          context.first_pass = pass;
          return network->forward(context, x).value();
        };
        const Tensor first = logits(3, 7, 0, 0);
        CHECK(difference(logits(3, 7, 0, 0), first) == 0.0);
        for (const Tensor& other :
             {logits(4, 7, 0, 0), logits(3, 8, 0, 0), logits(3, 7, 1, 0), logits(3, 7, 0, 1)})
          CHECK(difference(other, first) > 1e-2);
      }
    }
  }
}

TEST_CASE("a context whose masks would be another's is refused; a blank network is one of zeros") {
  Backend& backend = backend_of(tested_backends().front());
  const Var x = image(backend, {2, 8, 8, 8, 1});
  const NoGrad nothing_recorded;
  NetworkConfig config = with_dropout("vnet", DropoutKind::channels, 0.5);
  const auto network = make_network(backend, config, 1, 0);
  ForwardContext context{backend, DropoutMode::monte_carlo};
  CHECK_NOTHROW(network->forward(context, x));
  context.network = 16;  // 4 bits of the counter: network 0's
  CHECK_THROWS_AS(network->forward(context, x), EngineError);
  context.network = 0;
  context.first_pass = -1;  // the training forward's
  CHECK_THROWS_AS(network->forward(context, x), EngineError);
  context.first_pass = 0;
  context.dropout = DropoutMode::train;
  context.folds = 2;  // its second fold would be the first pass's
  CHECK_THROWS_AS(network->forward(context, x), EngineError);

  const auto blank = make_blank_network(backend, config);
  const std::vector<NamedTensor> state = network->state(), zeros = blank->state();
  REQUIRE(state.size() == zeros.size());
  for (std::size_t i = 0; i < state.size(); ++i) {
    CHECK(zeros[i].name == state[i].name);
    CHECK(zeros[i].value.shape() == state[i].value.shape());
    if (zeros[i].layout == NamedTensor::Layout::plain) continue;  // norms' scales are 1
    for (const double v : to_values(zeros[i].value)) CHECK(v == 0.0);
  }
}

// Activations that are made again instead of kept: same bytes, less memory.
#include <doctest/doctest.h>

#include "engine/autograd/backward.h"
#include "engine/backend/table.h"
#include "engine/core/philox.h"
#include "engine/ops/loss.h"
#include "nn/optimiser.h"

using namespace duet;

namespace {

struct Outcome {
  std::vector<std::vector<double>> state;
  std::vector<double> losses;
  std::size_t peak = 0;             // of the last step, above what stands between steps
  unsigned long long conv_samples;  // of one step
};

NetworkConfig config_of(const char* architecture, NormKind norm, Activation activation) {
  NetworkConfig config;
  config.architecture = architecture;
  config.width = 8;
  config.depth = 3;
  config.norm = norm;
  config.activation = activation;
  return config;
}

Outcome train(Backend& backend, const NetworkConfig& config, bool recompute, bool bf16) {
  const auto network = make_network(backend, config, 3, 0);
  Optimiser optimiser(backend, {}, network->parameters());
  const Shape shape{2, 16, 16, 24, 1};
  Tensor x = backend.empty(shape, DType::f32), classes = backend.empty(shape, DType::u8);
  const PhiloxKey key{7, Stream::test, 0, 0, 0, 0};
  for (Index i = 0; i < shape.elements(); ++i) {
    x.data<float>()[i] = static_cast<float>(draw_normal(key, 0, static_cast<std::uint64_t>(i)));
    classes.data<std::uint8_t>()[i] =
        static_cast<std::uint8_t>(draw_below(key, 1, static_cast<std::uint64_t>(i), 2));
  }
  Outcome outcome;
  for (std::uint32_t step = 0; step < 3; ++step) {
    ForwardContext context{backend, DropoutMode::train, NormMode::batch};
    context.step = step;
    context.bf16 = bf16;
    context.recompute = recompute;
    const std::size_t before = backend.memory->counters().live_bytes;
    const unsigned long long work = backend.work.conv_samples;
    backend.memory->reset_peak();
    LossTerm term;
    {
      const Var logits = network->forward(context, Var::constant(x));
      term = {segmentation_loss(backend, {1e-5, true}, logits, classes,
                                unweighted(backend, logits.shape(), logits.dtype())),
              1.0};
    }
    const std::size_t forward_peak = backend.memory->counters().peak_bytes;
    outcome.losses.push_back(scalar_value(term.loss.value()));
    const BackwardStats stats = backward(backend, {&term, 1});
    outcome.peak = std::max(forward_peak, stats.peak_bytes) - before;
    outcome.conv_samples = backend.work.conv_samples - work;
    optimiser.step(0.05);
  }
  for (const NamedTensor& each : network->state()) outcome.state.push_back(to_values(each.value));
  return outcome;
}

}  // namespace

TEST_CASE("activations are not made again by weights that changed since the forward pass") {
  const auto backend = make_default_backend();
  const auto network = make_network(*backend, config_of("vnet", NormKind::instance, Activation::relu), 1, 0);
  ForwardContext context{*backend, DropoutMode::train, NormMode::batch};
  context.recompute = true;
  const Var logits =
      network->forward(context, Var::constant(backend->filled({1, 16, 16, 16, 1}, DType::f32, 0.5)));
  const LossTerm term{reduce_sum(*backend, {}, logits), 1.0};
  for (const ParameterPtr& each : network->parameters()) {
    if (each->name == "enc.0.0.weight") each->value.mark_changed();
  }
  CHECK_THROWS_WITH_AS(backward(*backend, {&term, 1}), doctest::Contains("was changed between"), EngineError);
}

TEST_CASE("recomputed activations change no bit and take less memory") {
  const auto backend = make_default_backend();
  for (const char* architecture : {"vnet", "unet"}) {
    for (const NormKind norm : {NormKind::instance, NormKind::batch}) {
      for (const Activation activation : {Activation::relu, Activation::prelu}) {
        for (const bool bf16 : {false, true}) {
          if (bf16 && !backend->fast_bf16) continue;
          CAPTURE(architecture);
          CAPTURE(static_cast<int>(norm));
          CAPTURE(static_cast<int>(activation));
          CAPTURE(bf16);
          const NetworkConfig config = config_of(architecture, norm, activation);
          const Outcome kept = train(*backend, config, false, bf16),
                        made = train(*backend, config, true, bf16);
          CHECK(kept.losses == made.losses);
          CHECK(kept.state == made.state);
          CHECK(made.conv_samples > kept.conv_samples);
          // Behind PReLU, which keeps what it puts out, every convolution is made again, not every second
          // one.
          CHECK(made.conv_samples < (activation == Activation::prelu ? 3 : 2) * kept.conv_samples);
          const double share = static_cast<double>(made.peak) / static_cast<double>(kept.peak);
          MESSAGE(architecture << ": peak with recomputation / without = " << share);
          CHECK(share < 0.97);
        }
      }
    }
  }
}

// What a network refuses, before anything runs, and the estimate of a step's memory.
#include "nn/check.h"

#include <doctest/doctest.h>

#include "engine/autograd/backward.h"
#include "engine/ops/loss.h"
#include "nn/optimiser.h"
#include "tests/nn/small_network.h"
#include "tests/support/backends.h"

using namespace duet;
using namespace duet::testing;

TEST_CASE("impossible sizes are refused by name, with the nearest that fit") {
  const auto backend = make_first_tested();
  NetworkConfig config = small("vnet");
  config.depth = 5;
  const auto network = make_network(*backend, config, 1, 0);
  const ForwardContext context{*backend};
  std::string message = message_of([&] { network->encode(context, image(*backend, {1, 100, 16, 8, 1})); });
  CHECK(message.find("100 along D is not divisible by 16, the nearest sizes that are: 96 or 112") !=
        std::string::npos);
  CHECK(message.find("8 along W is not divisible by 16, the nearest sizes that are: 16") !=
        std::string::npos);
  CHECK(message.find("along H") == std::string::npos);
  message = message_of([&] { check_patch(config, {16, 16, 16}); });
  CHECK(message.find("bottleneck of one voxel") != std::string::npos);
  config.norm = NormKind::batch;
  CHECK_NOTHROW(check_patch(config, {16, 16, 16}));
  message = message_of([&] { check_patch(config, {16, 16, 16}, 1); });
  CHECK(message.find("batch norm has one value") != std::string::npos);
  CHECK_NOTHROW(check_patch(config, {16, 16, 32}, 1));
  // Nothing at all is a multiple of the stride.
  message = message_of([&] { check_patch(config, {16, 0, -16}); });
  CHECK(message.find("0 along H is not divisible by 16, the nearest sizes that are: 16;") !=
        std::string::npos);
  CHECK(message.find("-16 along W is not divisible by 16, the nearest sizes that are: 16") !=
        std::string::npos);
  config.dimensions = 2;
  CHECK_NOTHROW(check_patch(config, {1, 16, 16}));
  message = message_of([&] { network->encode(context, image(*backend, {1, 32, 16, 16, 2})); });
  CHECK(message.find("should have 1 channels") != std::string::npos);
}

TEST_CASE("an encoding of another depth is refused, the same network's or a longer one") {
  const auto backend = make_first_tested();
  for (const char* architecture : {"vnet", "unet"}) {
    const auto network = make_network(*backend, small(architecture), 1, 0);
    const ForwardContext context{*backend};
    const Encoding whole = network->encode(context, image(*backend, {1, 8, 8, 8, 1}));
    Encoding shorter = whole, longer = whole;
    shorter.stages.pop_back();
    longer.stages.insert(longer.stages.begin(), whole.stages.front());  // its bottleneck fits
    for (const auto& [encoding, stages] : {std::pair{shorter, "2"}, {longer, "4"}}) {
      const std::string message = message_of([&] { network->decode(context, encoding); });
      CHECK(message == text(architecture, ": encoding of ", stages, " stages, expected 3"));
    }
  }
}

TEST_CASE("impossible configs are refused by key") {
  const auto backend = make_first_tested();
  const std::vector<std::pair<std::string, std::function<void(NetworkConfig&)>>> rows = {
      {"architecture", [](NetworkConfig& c) { c.architecture = "resnet"; }},
      {"dimensions", [](NetworkConfig& c) { c.dimensions = 4; }},
      {"input_channels", [](NetworkConfig& c) { c.input_channels = 0; }},
      {"classes", [](NetworkConfig& c) { c.classes = 1; }},
      {"width", [](NetworkConfig& c) { c.width = 0; }},
      {"depth", [](NetworkConfig& c) { c.depth = 1; }},
      {"dropout_p", [](NetworkConfig& c) { c.dropout_p = 1.0; }},
      {"norm_groups", [](NetworkConfig& c) { c.norm = NormKind::group, c.norm_groups = 3; }},
      {"activation_slope",
       [](NetworkConfig& c) { c.activation = Activation::leaky_relu, c.activation_slope = 0.0; }}};
  for (const auto& [key, spoil] : rows) {
    NetworkConfig config;
    spoil(config);
    CHECK_MESSAGE(message_of([&] { make_network(*backend, config, 1, 0); }).find(key) != std::string::npos,
                  key);
  }
}

TEST_CASE("the estimate of a step's memory is near what a step takes") {
  const auto backend = make_first_tested();
  for (const char* architecture : {"vnet", "unet"}) {
    NetworkConfig config = small(architecture);
    config.width = 8;
    config.depth = 4;
    const std::size_t before = backend->memory->counters().live_bytes;
    const auto network = make_network(*backend, config, 1, 0);
    const Optimiser optimiser(*backend, {}, network->parameters());
    const Var x = image(*backend, {2, 32, 32, 32, 1});
    ForwardContext context{*backend};
    context.dropout = DropoutMode::train;
    backend->memory->reset_peak();
    {
      const LossTerm term{reduce_mean(*backend, {}, network->forward(context, x)), 1.0};
      backward(*backend, {&term, 1});
    }
    const double ratio = static_cast<double>(estimate_step_bytes(config, {32, 32, 32}, 2)) /
                         static_cast<double>(backend->memory->counters().peak_bytes - before);
    MESSAGE(std::string(architecture) << ": estimate / peak = " << ratio);
    CHECK(ratio > 0.7);
    CHECK(ratio < 1.6);
  }
}

TEST_CASE("the estimate grows with PReLU and shrinks with bf16 as a step's memory does") {
  const auto backend = make_tested("ref");  // which has bf16 wherever it runs
  const Shape shape{1, 16, 16, 32, 1};
  struct Bytes {
    double estimate, peak;
  };
  const auto bytes_of_step = [&](const NetworkConfig& config, bool bf16) -> Bytes {
    const std::size_t before = backend->memory->counters().live_bytes;
    const auto network = make_network(*backend, config, 1, 0);
    const Optimiser optimiser(*backend, {}, network->parameters());
    ForwardContext context{*backend, DropoutMode::train};
    context.bf16 = bf16;
    backend->memory->reset_peak();
    {
      const Var y = network->forward(context, image(*backend, shape));
      const LossTerm term{reduce_mean(*backend, {}, y), 1.0};
      backward(*backend, {&term, 1});
    }
    return {static_cast<double>(estimate_step_bytes(config, shape.spatial(), shape.n, bf16)),
            static_cast<double>(backend->memory->counters().peak_bytes - before)};
  };
  for (const std::string architecture : {"vnet", "unet"}) {
    CAPTURE(architecture);
    NetworkConfig config = small(architecture);
    config.width = 8;
    config.depth = 2;
    const Bytes plain = bytes_of_step(config, false), bf16 = bytes_of_step(config, true);
    config.activation = Activation::prelu;
    const Bytes prelu = bytes_of_step(config, false);
    const auto growth = [&](const Bytes& of) {
      return of.estimate / plain.estimate / (of.peak / plain.peak);
    };
    MESSAGE(architecture << ": estimated growth / growth: PReLU " << growth(prelu) << ", bf16 "
                         << growth(bf16));
    CHECK(growth(prelu) > 0.8);
    CHECK(growth(prelu) < 1.2);
    CHECK(growth(bf16) > 0.6);  // ref convolves bf16 in f32, a copy that others do not make
    CHECK(growth(bf16) < 1.05);
  }
}

// Logits, loss, gradients, running statistics and ten SGD steps against PyTorch's, on every backend.
#include "tests/nn/golden.h"

#include <algorithm>
#include <doctest/doctest.h>

#include "engine/autograd/backward.h"
#include "engine/ops/loss.h"
#include "engine/ops/pointwise.h"
#include "nn/optimiser.h"
#include "tests/support/backends.h"

using namespace duet;

namespace {

struct Case {
  const char* name;
  const char* architecture;
  int dimensions;
  NormKind norm;
  Index channels, classes, width;
  int depth;
  Triple size;
  bool background;
  std::size_t every;
  int weights;
  bool steady;  // no ReLU stands so near its jump that rounding in float could move the gradients
};

// The table of make_golden.py.
const Case kCases[] = {
    {"vnet_deep", "vnet", 3, NormKind::instance, 1, 2, 1, 5, {32, 32, 32}, true, 7, 0, false},
    {"vnet_instance", "vnet", 3, NormKind::instance, 1, 2, 2, 4, {16, 16, 16}, true, 2, 4, true},
    {"vnet_batch", "vnet", 3, NormKind::batch, 1, 2, 2, 4, {16, 16, 24}, true, 2, 4, true},
    {"unet_3d", "unet", 3, NormKind::instance, 1, 3, 2, 3, {8, 12, 16}, false, 1, 0, true},
    {"unet_2d", "unet", 2, NormKind::batch, 2, 3, 2, 4, {1, 32, 24}, true, 1, 0, true},
};

template <class Values>
double largest(const Values& values) {
  double most = 0.0;
  for (const auto v : values) most = std::max(most, std::abs(static_cast<double>(v)));
  return most;
}

template <class Values>
double largest_difference(const Values& ours, const std::vector<float>& theirs) {
  REQUIRE(ours.size() == theirs.size());
  double most = 0.0;
  for (std::size_t i = 0; i < theirs.size(); ++i) {
    const double difference = std::abs(static_cast<double>(ours[i]) - static_cast<double>(theirs[i]));
    most = std::isfinite(difference) ? std::max(most, difference) : HUGE_VAL;
  }
  return most;
}

Var supervised(Backend& backend, const Var& logits, const Tensor& labels, bool background) {
  const LossWeights weights = unweighted(backend, logits.shape(), logits.dtype());
  const Var dice = dice_loss(backend, {1e-5, background}, softmax(backend, logits), labels, {});
  return add(backend, cross_entropy(backend, logits, labels, weights), dice);
}

// Tolerances relative to what PyTorch found; f64 is bound by the files' float.
struct Tolerance {
  double value, gradient, zero_gradient, losses;
};

double compare_gradients(const Network& network, const testing::GoldenFile& golden,
                         const Tolerance& tolerance) {
  double network_largest = 0.0, worst = 0.0;
  for (const auto& [key, values] : golden) {
    if (key.starts_with("grad.")) network_largest = std::max(network_largest, largest(values));
  }
  std::map<std::string, NamedTensor::Layout> layouts;
  for (const NamedTensor& tensor : network.state()) layouts[tensor.name] = tensor.layout;
  int compared = 0, zero = 0;
  for (const ParameterPtr& parameter : network.parameters()) {
    CAPTURE(parameter->name);
    const auto found = golden.find("grad." + parameter->name);
    REQUIRE(found != golden.end());
    REQUIRE(parameter->has_gradient);
    std::vector<Index> shape;
    const auto ours =
        to_pytorch_order({parameter->name, parameter->gradient, layouts.at(parameter->name)}, shape);
    const double difference = largest_difference(ours, found->second), most = largest(found->second);
    ++compared;
    if (most < 1e-9 * network_largest) {  // a bias before a norm: the true gradient is 0
      ++zero;
      CHECK(largest(ours) <= tolerance.zero_gradient * network_largest);
    } else {
      CHECK(difference <= tolerance.gradient * most);
      worst = std::max(worst, difference / most);
    }
  }
  CHECK(compared == std::count_if(golden.begin(), golden.end(),
                                  [](const auto& e) { return e.first.starts_with("grad."); }));
  CHECK(zero > 0);
  return worst;
}

void compare(Backend& backend, const Case& c, DType dtype, const Tolerance& tolerance) {
  const std::string name = c.name;
  CAPTURE(name);
  CAPTURE(backend.name);
  const testing::GoldenFile golden = testing::read_golden(c.name);
  NetworkConfig config;
  config.architecture = c.architecture;
  config.dimensions = c.dimensions;
  config.input_channels = c.channels;
  config.classes = c.classes;
  config.width = c.width;
  config.depth = c.depth;
  config.norm = c.norm;
  const auto network = make_network(backend, config, 1, 0, dtype);
  testing::set_formula_weights(*network, c.weights);
  const auto batch = testing::formula_batch(backend, c.size, c.channels, c.classes, dtype);
  Optimiser optimiser(backend, {}, network->parameters());
  ForwardContext context{backend};
  context.norm = NormMode::batch;

  std::vector<double> losses;
  double logits_error = 0.0, gradient_error = 0.0;
  for (int step = 0; step < 10; ++step) {
    const Var logits = network->forward(context, Var::constant(batch.image));
    const Var loss = supervised(backend, logits, batch.labels, c.background);
    losses.push_back(scalar_value(loss.value()));
    const LossTerm term{loss, 1.0};
    backward(backend, {&term, 1});
    if (step == 0) {
      const std::vector<double> all = testing::channels_first(logits.value());
      std::vector<double> some;
      for (std::size_t i = 0; i < all.size(); i += c.every) some.push_back(all[i]);
      const auto& theirs = golden.at("logits");
      logits_error = largest_difference(some, theirs) / largest(theirs);
      CHECK(logits_error <= tolerance.value);
      CHECK(std::abs(losses[0] - golden.at("losses")[0]) <= tolerance.value * golden.at("losses")[0]);
      gradient_error = compare_gradients(*network, golden, tolerance);
      int buffers = 0;
      for (const NamedTensor& tensor : network->state()) {
        if (tensor.name.find("running") == std::string::npos) continue;
        ++buffers;
        CAPTURE(tensor.name);
        const auto& expected = golden.at(tensor.name);
        CHECK(largest_difference(to_values(tensor.value), expected) <= tolerance.value * largest(expected));
      }
      CHECK((buffers > 0) == (c.norm == NormKind::batch));
    }
    optimiser.step(0.01);
  }
  double losses_error = 0.0;
  for (std::size_t i = 0; i < losses.size(); ++i) {
    losses_error = std::max(losses_error, std::abs(losses[i] / golden.at("losses")[i] - 1.0));
  }
  CHECK(losses_error <= tolerance.losses);
  MESSAGE(std::string(c.name) << " on " << backend.name << " " << std::string(name_of(dtype)) << ": logits "
                              << logits_error << ", gradients " << gradient_error << ", ten losses "
                              << losses_error);
}

}  // namespace

TEST_CASE("networks give PyTorch's logits, loss, gradients and ten SGD steps in f32") {
  for (const std::string& name : testing::tested_backends()) {
    for (const Case& c : kCases) {
      const auto backend = testing::make_tested(name);
      const Tolerance asked{1e-4, 1e-4, 1e-6, 1e-3}, rough{1e-4, 2e-2, 1e-6, 2e-2};
      compare(*backend, c, DType::f32, c.steady ? asked : rough);
    }
  }
}

TEST_CASE("in f64 the reference backend agrees with PyTorch to the precision of the files") {
  for (const Case& c : kCases) {
    const auto backend = testing::make_tested("ref");
    compare(*backend, c, DType::f64, {2e-7, 2e-7, 1e-12, 2e-7});
  }
}

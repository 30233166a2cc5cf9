// Whole networks with activations in bf16 against the same in f32: logits, gradients, what stays f32, folded
// Monte Carlo passes, and the same bytes every time.
//
// Shallow networks (depth 2) are held to fixed bounds. A deep one with norms and ReLUs is far more sensitive:
// in f32, rounding nothing but the image to bf16 moves a V-Net's logits by 5e-2 of the largest and turns
// gradients of single parameters to a cosine of 0.7. So there bf16 is held to a multiple of what that
// rounding does; and once trained for a while, when logits are large and margins wide, to the bound of the
// shallow ones.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <doctest/doctest.h>
#include <iostream>
#include <map>
#include <utility>
#include <vector>

#include "engine/autograd/backward.h"
#include "engine/backend/table.h"
#include "engine/ops/loss.h"
#include "nn/network.h"
#include "nn/optimiser.h"
#include "tests/nn/golden.h"

using namespace duet;

namespace {

const Shape kImage{2, 32, 32, 32, 1};

// The default backend, or ref where that has no fast bf16: then shallow and narrow networks only, as ref is
// slow.
struct Machine {
  std::unique_ptr<Backend> backend = make_default_backend();
  std::vector<Index> widths{8, 16};
  bool deep = true;
  Machine() {
    if (backend->fast_bf16) return;
    std::cout << "SKIPPED: networks in bf16 on " << backend->name
              << ", which this processor does not multiply; shallow ones of width 8 on ref instead"
              << std::endl;
    backend = make_backend("ref");
    widths = {8};
    deep = false;
  }
};

// A soft ball, waves and noise; its values as bf16 has them where asked for.
Tensor image(Backend& backend, bool rounded = false) {
  std::vector<double> values;
  for (Index i = 0; i < kImage.elements(); ++i) {
    const Index n = i / kImage.voxels(), at = i % kImage.voxels();
    const double d = static_cast<double>(at / 1024 - 16), h = static_cast<double>(at / 32 % 32 - 16);
    const double w = static_cast<double>(at % 32 - 16 - 2 * n);
    const double ball = 2.0 / (1.0 + std::exp((std::sqrt(d * d + h * h + w * w) - 9.0) * 0.8)) - 0.6;
    const double waves = 0.6 * std::sin(0.3 * d) * std::cos(0.25 * h) * std::sin(0.2 * w);
    values.push_back(ball + waves + 0.3 * testing::noise(static_cast<std::size_t>(i), 5));
    if (rounded)
      values.back() = static_cast<double>(static_cast<float>(bf16(static_cast<float>(values.back()))));
  }
  return from_values(backend.memory, kImage, DType::f32, values);
}

// The ball of each sample.
Tensor ball(Backend& backend) {
  std::vector<double> values;
  for (Index i = 0; i < kImage.elements(); ++i) {
    const Index n = i / kImage.voxels(), at = i % kImage.voxels();
    const Index d = at / 1024 - 16, h = at / 32 % 32 - 16, w = at % 32 - 16 - 2 * n;
    values.push_back(d * d + h * h + w * w < 81 ? 1.0 : 0.0);
  }
  return from_values(backend.memory, kImage, DType::u8, values);
}

NetworkConfig config_of(const char* architecture, int depth, Index width, NormKind norm) {
  NetworkConfig config;
  config.depth = depth;
  config.architecture = architecture;
  config.width = width;
  config.norm = norm;
  return config;
}

ForwardContext training(Backend& backend, bool bf16) {
  ForwardContext context{backend};
  context.dropout = DropoutMode::train;
  context.norm = NormMode::batch;
  context.bf16 = bf16;
  context.seed = 3;
  return context;
}

struct Step {
  Tensor logits;
  double loss = 0.0;
  std::map<std::string, Tensor> gradients, state;
};

// One forward and backward.
Step run_step(Backend& backend, Network& network, const ForwardContext& context, bool rounded_image = false) {
  const Var y = network.forward(context, Var::constant(image(backend, rounded_image)));
  const LossWeights weights = unweighted(backend, y.shape(), y.dtype());
  const Var loss = segmentation_loss(backend, {}, y, ball(backend), weights);
  const LossTerm term{loss, 1.0};
  backward(backend, {&term, 1});
  Step step{y.value(), scalar_value(loss.value()), {}, {}};
  for (const ParameterPtr& p : network.parameters()) {
    step.gradients[p->name] = std::exchange(p->gradient, {});
    p->clear_gradient();
  }
  for (const NamedTensor& tensor : network.state()) step.state[tensor.name] = tensor.value;
  return step;
}

// The same of a network made afresh.
Step run_step(Backend& backend, const NetworkConfig& config, bool bf16, bool rounded_image = false) {
  return run_step(backend, *make_network(backend, config, 1, 0), training(backend, bf16), rounded_image);
}

double largest(const std::vector<double>& values) {
  double most = 0.0;
  for (const double value : values) most = std::max(most, std::abs(value));
  return most;
}

// Largest difference over the largest |b|; infinite where one is no number.
double relative(const Tensor& a, const Tensor& b) {
  std::vector<double> x = to_values(a);
  const std::vector<double> y = to_values(b);
  REQUIRE(x.size() == y.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!std::isfinite(x[i] -= y[i])) return HUGE_VAL;
  }
  return largest(x) / largest(y);
}

double cosine(const std::vector<double>& x, const std::vector<double>& y) {
  double xy = 0.0, xx = 0.0, yy = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) xy += x[i] * y[i], xx += x[i] * x[i], yy += y[i] * y[i];
  return xy / std::sqrt(xx * yy);
}

bool same_bytes(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() &&
         std::memcmp(a.cview().data, b.cview().data, a.bytes()) == 0;
}

// "stage.3.bias" where stage.4 is a norm: it subtracts the bias again, so the true gradient is 0 and what is
// computed is rounding alone, without a direction.
bool is_bias_before_norm(const Step& step, const std::string& name) {
  const std::size_t last = name.rfind('.'), before = name.rfind('.', last - 1);
  if (name.substr(last) != ".bias" || before == std::string::npos) return false;
  const int number = std::stoi(name.substr(before + 1));
  const std::string prefix = name.substr(0, before + 1);
  const auto is_norm = [&](int which) {
    const auto found = step.gradients.find(prefix + std::to_string(which) + ".weight");
    return found != step.gradients.end() && found->second.shape() == Shape::vector(found->second.shape().c) &&
           found->second.shape().c > 1;
  };
  return !is_norm(number) && is_norm(number + 1);
}

// Calls body(name, config) for both networks, the widths and two norms.
template <class Body>
void for_each_network(const Machine& machine, int depth, const Body& body) {
  for (const char* architecture : {"vnet", "unet"}) {
    for (const Index width : machine.widths) {
      for (const NormKind norm : {NormKind::instance, NormKind::batch}) {
        const std::string name = text(architecture, " depth ", depth, " width ", width,
                                      norm == NormKind::batch ? " batch" : " instance", " norm");
        INFO(name);
        body(name, config_of(architecture, depth, width, norm));
      }
    }
  }
}

// The gradients of all parameters that have one, but for biases before a norm.
std::vector<double> whole_gradient(const Step& step) {
  std::vector<double> all;
  for (const auto& [name, gradient] : step.gradients) {
    if (is_bias_before_norm(step, name)) continue;
    const std::vector<double> values = to_values(gradient);
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

void check_types(const Step& step) {
  CHECK(step.logits.dtype() == DType::f32);
  for (const auto* tensors : {&step.gradients, &step.state}) {
    for (const auto& [name, tensor] : *tensors) CHECK_MESSAGE(tensor.dtype() == DType::f32, name);
  }
}

}  // namespace

TEST_CASE("bf16 in shallow networks: logits within 3e-2, each parameter's gradient at a cosine of 0.99") {
  const Machine machine;
  for_each_network(machine, 2, [&](const std::string& network, const NetworkConfig& config) {
    const Step exact = run_step(*machine.backend, config, false),
               step = run_step(*machine.backend, config, true);
    check_types(step);
    const double logits = relative(step.logits, exact.logits);
    CHECK(logits > 1e-4);  // it did run in bf16
    CHECK(logits <= 3e-2);
    CHECK(std::abs(step.loss - exact.loss) <= 1e-2 * std::abs(exact.loss));
    double least = 1.0;
    std::string of;
    std::size_t left_out = 0;
    for (const auto& [name, gradient] : step.gradients) {
      INFO(name);
      if (is_bias_before_norm(exact, name)) {
        ++left_out;
        continue;
      }
      const double alike = cosine(to_values(gradient), to_values(exact.gradients.at(name)));
      CHECK(alike >= 0.99);
      if (!(alike >= least)) least = alike, of = name;
    }
    CHECK(left_out >= 5);
    CHECK(left_out <= step.gradients.size() / 3);
    for (const auto& [name, value] : step.state) {
      if (name.find("running_") == std::string::npos) continue;
      CHECK_MESSAGE(relative(value, exact.state.at(name)) <= 1e-2, name);
    }
    std::cout << "bf16 " << network << ": logits " << logits << ", least cosine " << least << " (" << of
              << ")" << std::endl;
  });
}

TEST_CASE("bf16 in deep networks: a few times what rounding the image does to f32") {
  const Machine machine;
  if (!machine.deep) return;
  for_each_network(machine, 5, [&](const std::string& network, const NetworkConfig& config) {
    Backend& backend = *machine.backend;
    if (config.width == 16 && config.norm == NormKind::batch) return;  // for time
    const Step exact = run_step(backend, config, false), step = run_step(backend, config, true);
    const Step rounded = run_step(backend, config, false, true);
    check_types(step);
    const double logits = relative(step.logits, exact.logits),
                 by_image = relative(rounded.logits, exact.logits);
    const std::vector<double> gradient = whole_gradient(exact);
    // Of the angle, which grows as the error does.
    const double angle = std::acos(cosine(whole_gradient(step), gradient));
    const double angle_by_image = std::acos(cosine(whole_gradient(rounded), gradient));
    CHECK(logits <= 4.0 * by_image);
    CHECK(angle <= 4.0 * angle_by_image);
    CHECK(std::abs(step.loss - exact.loss) <= 2e-2 * std::abs(exact.loss));
    std::cout << "bf16 " << network << ": logits " << logits << ", f32 of the rounded image " << by_image
              << "; gradient turned by " << angle << ", " << angle_by_image << std::endl;
  });
}

namespace {

// How far bf16's logits are from f32's in a network that has learnt from one image for 60 steps.
double trained_difference(Backend& backend, const char* architecture, std::uint64_t seed) {
  const auto network = make_network(backend, config_of(architecture, 5, 8, NormKind::instance), seed, 0);
  Optimiser optimiser(backend, {}, network->parameters());
  ForwardContext context = training(backend, false);
  for (context.step = 0; context.step < 60; ++context.step) {
    const Var y = network->forward(context, Var::constant(image(backend)));
    const Var loss =
        segmentation_loss(backend, {}, y, ball(backend), unweighted(backend, y.shape(), y.dtype()));
    const LossTerm term{loss, 1.0};
    backward(backend, {&term, 1});
    optimiser.step(0.02);
  }
  const Step exact = run_step(backend, *network, context);
  context.bf16 = true;
  const Step step = run_step(backend, *network, context);
  const double logits = relative(step.logits, exact.logits);
  CHECK(logits > 1e-4);
  CHECK(std::abs(step.loss - exact.loss) <= 2e-2 * std::abs(exact.loss));
  std::cout << "bf16 " << architecture << " depth 5 width 8, seed " << seed << ", 60 steps old: logits "
            << logits << ", cosine of the gradient " << cosine(whole_gradient(step), whole_gradient(exact))
            << std::endl;
  return logits;
}

}  // namespace

// Which network 60 steps lead to, a rounding decides: of eight V-Nets one is at 0.032, the others at 0.005 to
// 0.024, and another order of sums makes another one the worst. So the bound is that of their median. U-Nets
// are all below 0.009.
TEST_CASE("bf16 in deep networks after 60 steps of f32: logits within 3e-2, of five V-Nets the median") {
  const Machine machine;
  if (!machine.deep) return;
  std::vector<double> differences;
  for (const std::uint64_t seed : {1, 2, 3, 4, 5})
    differences.push_back(trained_difference(*machine.backend, "vnet", seed));
  std::ranges::sort(differences);
  CHECK(differences[2] <= 3e-2);
  CHECK(differences[4] <= 6e-2);
  CHECK(trained_difference(*machine.backend, "unet", 1) <= 3e-2);
}

TEST_CASE("bf16: two runs give the same bytes") {
  const Machine machine;
  for (const char* architecture : {"vnet", "unet"}) {
    INFO(std::string(architecture));
    const NetworkConfig config = config_of(architecture, machine.deep ? 5 : 2, 8, NormKind::instance);
    const Step first = run_step(*machine.backend, config, true),
               second = run_step(*machine.backend, config, true);
    CHECK(same_bytes(first.logits, second.logits));
    for (const auto& [name, gradient] : first.gradients) {
      CHECK_MESSAGE(same_bytes(gradient, second.gradients.at(name)), name);
    }
  }
}

TEST_CASE("bf16: folded Monte Carlo passes are separate ones to bf16's accuracy") {
  const Machine machine;
  if (!machine.deep) return;
  Backend& backend = *machine.backend;
  const NoGrad nothing_recorded;
  constexpr Index kPasses = 3;
  for (const char* architecture : {"vnet", "unet"}) {
    for (const NormKind norm : {NormKind::instance, NormKind::batch}) {
      INFO(text(architecture, " norm ", static_cast<int>(norm)));
      const auto network = make_network(backend, config_of(architecture, 5, 8, norm), 1, 0);
      const Var x = Var::constant(image(backend));
      ForwardContext context = training(backend, true);
      context.dropout = DropoutMode::monte_carlo;
      context.norm = NormMode::batch_no_update;
      const Encoding encoding = network->encode(context, x);
      for (const Var& stage : encoding.stages) CHECK(stage.dtype() == DType::bf16);
      context.folds = kPasses;
      const Tensor folded = network->decode(context, encoding).value();
      CHECK(folded.dtype() == DType::f32);
      context.folds = 1;
      for (Index k = 0; k < kPasses; ++k) {
        context.first_pass = k;
        const Tensor one = network->forward(context, x).value();
        const Tensor fold = folded.samples(kImage.n * k, kImage.n * (k + 1));
        CHECK(relative(fold, one) <= 2e-2);
        if (k > 0) CHECK(relative(fold, folded.samples(0, kImage.n)) > 5e-2);  // passes do differ
      }
    }
  }
}

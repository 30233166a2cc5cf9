// Initialisation, optimisers, schedules and EMA.
#include <algorithm>
#include <doctest/doctest.h>

#include "nn/ema.h"
#include "nn/init.h"
#include "nn/optimiser.h"
#include "nn/schedule.h"
#include "tests/nn/golden.h"
#include "tests/support/backends.h"

using namespace duet;

namespace {

ParameterPtr parameter(Backend& backend, const std::vector<double>& values) {
  const Shape shape = Shape::vector(static_cast<Index>(values.size()));
  return make_parameter("p", from_values(backend.memory, shape, DType::f64, values));
}

void set_gradient(Backend& backend, Parameter& p, const std::vector<double>& values) {
  p.gradient = from_values(backend.memory, p.value.shape(), DType::f64, values);
  p.has_gradient = true;
}

std::vector<double> noises(int which) {
  std::vector<double> values(7);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = testing::noise(i, which);
  return values;
}

struct Moments {
  double mean = 0.0, deviation = 0.0;
};

Moments moments(const Tensor& tensor) {
  Moments m;
  const std::vector<double> values = to_values(tensor);
  const auto count = static_cast<double>(values.size());
  for (const double v : values) m.mean += v / count;
  for (const double v : values) m.deviation += (v - m.mean) * (v - m.mean) / count;
  m.deviation = std::sqrt(m.deviation);
  return m;
}

// How far from what it should be, relative: doctest's Approx is absolute for values well below 1.
double off(const Moments& m, double deviation) { return std::abs(m.deviation / deviation - 1.0); }

Tensor weight_of(const Network& network, const std::string& name) {
  for (const NamedTensor& tensor : network.state()) {
    if (tensor.name == name) return tensor.value;
  }
  FAIL("no tensor " << name);
  return {};
}

}  // namespace

TEST_CASE("three steps of each optimiser are PyTorch's") {
  const testing::GoldenFile golden = testing::read_golden("optimisers");
  OptimiserConfig sgd;
  sgd.weight_decay = 0.01;
  OptimiserConfig nesterov = sgd;
  nesterov.nesterov = true;
  OptimiserConfig adamw = sgd;
  adamw.name = "adamw";
  OptimiserConfig clipped;
  clipped.momentum = clipped.weight_decay = 0.0;
  clipped.clip_norm = 0.5;
  const std::map<std::string, OptimiserConfig> configs = {
      {"sgd", sgd}, {"nesterov", nesterov}, {"adamw", adamw}, {"clipped", clipped}};
  for (const std::string& name : testing::tested_backends()) {
    const auto backend = testing::make_tested(name);
    for (const auto& [key, config] : configs) {
      CAPTURE(name);
      CAPTURE(key);
      const ParameterPtr p = parameter(*backend, noises(1));
      Optimiser optimiser(*backend, config, {p});
      for (int step = 0; step < 3; ++step) {
        const std::vector<double> gradient = noises(50 + step);
        set_gradient(*backend, *p, gradient);
        const double norm = optimiser.step(0.1);
        double expected = 0.0;
        for (const double g : gradient) expected += g * g;
        CHECK(norm == doctest::Approx(config.clip_norm > 0 ? std::sqrt(expected) : 0.0));
        CHECK(!p->has_gradient);
      }
      CHECK(optimiser.steps() == 3);
      const std::vector<double> ours = to_values(p->value);
      for (std::size_t i = 0; i < ours.size(); ++i)
        CHECK(ours[i] == doctest::Approx(golden.at(key)[i]).epsilon(1e-6));
    }
  }
}

TEST_CASE("a gradient below the limit is left as it is") {
  for (const std::string& name : testing::tested_backends()) {
    const auto backend = testing::make_tested(name);
    std::vector<std::vector<double>> after;
    for (const double limit : {0.0, 5.0}) {
      const ParameterPtr p = parameter(*backend, {1.0, 2.0});
      OptimiserConfig config;
      config.clip_norm = limit;
      Optimiser optimiser(*backend, config, {p});
      set_gradient(*backend, *p, {0.3, -0.4});
      CHECK(optimiser.step(0.1) == doctest::Approx(limit > 0.0 ? 0.5 : 0.0));
      after.push_back(to_values(p->value));
    }
    CHECK(after[0] == after[1]);
  }
}

TEST_CASE("AdamW corrects a parameter's moments by how often that one was updated") {
  const auto backend = testing::make_first_tested();
  const ParameterPtr often = parameter(*backend, {1.0}), late = parameter(*backend, {1.0});
  OptimiserConfig config;
  config.name = "adamw";
  config.weight_decay = 0;
  Optimiser optimiser(*backend, config, {often, late});
  for (int step = 0; step < 100; ++step) {
    set_gradient(*backend, *often, {1.0});
    if (step >= 98) set_gradient(*backend, *late, {1.0});
    optimiser.step(0.001);
  }
  CHECK(to_values(often->value)[0] == doctest::Approx(1 - 100 * 0.001));  // of a gradient of 1: the rate
  CHECK(to_values(late->value)[0] == doctest::Approx(1 - 2 * 0.001));
}

TEST_CASE("lanes are added onto a gradient of before there were any") {
  const auto backend = testing::make_first_tested();
  const ParameterPtr p = parameter(*backend, {1.0});
  OptimiserConfig config;
  config.momentum = config.weight_decay = 0;
  Optimiser optimiser(*backend, config, {p});
  set_gradient(*backend, *p, {2.0});
  p->lanes.resize(2);
  for (Parameter::Lane& lane : p->lanes) {
    lane.gradient = from_values(backend->memory, p->value.shape(), DType::f64, std::vector<double>{0.5});
    lane.has_gradient = true;
  }
  optimiser.step(0.1);
  CHECK(to_values(p->value)[0] == doctest::Approx(1 - 0.1 * 3.0));
}

TEST_CASE("SGD by hand") {
  const auto backend = testing::make_first_tested();
  const ParameterPtr p = parameter(*backend, {1.0}), still = parameter(*backend, {5.0});
  OptimiserConfig config;  // momentum 0.9
  config.weight_decay = 0.1;
  Optimiser optimiser(*backend, config, {p, still});
  const auto version = p->value.cview().version;
  set_gradient(*backend, *p, {2.0});
  optimiser.step(0.5);  // g = 2 + 0.1 = 2.1, m = 2.1, p = 1 - 1.05
  CHECK(to_values(p->value)[0] == doctest::Approx(-0.05));
  set_gradient(*backend, *p, {1.0});
  optimiser.step(0.5);  // g = 1 - 0.005 = 0.995, m = 1.89 + 0.995 = 2.885, p = -0.05 - 1.4425
  CHECK(to_values(p->value)[0] == doctest::Approx(-1.4925));
  CHECK(p->value.cview().version != version);
  CHECK(to_values(still->value)[0] == 5.0);
  const auto state = optimiser.state();
  REQUIRE(state.size() == 2);
  CHECK(state[0].name == "p.momentum");
  CHECK(to_values(state[0].value)[0] == doctest::Approx(2.885));
}

TEST_CASE("lanes that nothing has merged are summed") {
  const auto backend = testing::make_first_tested();
  const ParameterPtr p = parameter(*backend, {1.0});
  OptimiserConfig config;
  config.weight_decay = 0.0;
  Optimiser optimiser(*backend, config, {p});
  p->lanes.resize(2);
  for (std::size_t i = 0; i < 2; ++i) {
    p->lanes[i].gradient =
        from_values(backend->memory, p->value.shape(), DType::f64, std::vector<double>{1.0 + i});
    p->lanes[i].has_gradient = true;
  }
  optimiser.step(0.1);
  CHECK(to_values(p->value)[0] == doctest::Approx(0.7));
  CHECK(!p->lanes[0].has_gradient);
}

TEST_CASE("optimisers refuse what they do not know") {
  const auto backend = testing::make_first_tested();
  OptimiserConfig config;
  config.name = "adagrad";
  CHECK_THROWS_AS(Optimiser(*backend, config, {}), EngineError);
  config = {};
  config.clip_norm = -1.0;
  CHECK_THROWS_AS(Optimiser(*backend, config, {}), EngineError);
  config = {};
  config.nesterov = true;
  CHECK_NOTHROW(Optimiser(*backend, config, {}));
  config.momentum = 0.0;
  CHECK_THROWS_AS(Optimiser(*backend, config, {}), EngineError);
  // Each makes weights infinite.
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  const auto refused = [&](double OptimiserConfig::*value, double wrong) {
    OptimiserConfig other;
    other.*value = wrong;
    CHECK_THROWS_AS(Optimiser(*backend, other, {}), EngineError);
  };
  for (const double wrong : {kNan, -0.1, 1.0}) {
    refused(&OptimiserConfig::momentum, wrong);
    refused(&OptimiserConfig::beta1, wrong);
    refused(&OptimiserConfig::beta2, wrong);
  }
  for (const double wrong : {kNan, -0.1}) refused(&OptimiserConfig::weight_decay, wrong);
  for (const double wrong : {kNan, 0.0, -1e-8}) refused(&OptimiserConfig::epsilon, wrong);
  CHECK_THROWS_AS(Optimiser(*backend, {}, {}).step(kNan), EngineError);
}

TEST_CASE("schedules") {
  ScheduleConfig config;
  CHECK(rate_at(config, 5999) == 0.01);
  config.name = "step";
  CHECK(rate_at(config, 2499) == doctest::Approx(0.01));
  CHECK(rate_at(config, 2500) == doctest::Approx(0.001));
  CHECK(rate_at(config, 5000) == doctest::Approx(0.0001));
  config.name = "polynomial";
  CHECK(rate_at(config, 0) == doctest::Approx(0.01));
  CHECK(rate_at(config, 3000) == doctest::Approx(0.01 * std::pow(0.5, 0.9)));
  CHECK(rate_at(config, 6000) == 0.0);
  CHECK(rate_at(config, 7000) == 0.0);
  config.name = "constant";
  config.warmup = 4;
  CHECK(rate_at(config, 0) == doctest::Approx(0.0025));
  CHECK(rate_at(config, 3) == doctest::Approx(0.01));
  CHECK(rate_at(config, 4) == doctest::Approx(0.01));
  // The others rise, too, to what they would be by then.
  config.name = "polynomial";
  CHECK(rate_at(config, 2) == doctest::Approx(0.0075 * std::pow(1.0 - 2.0 / 6000.0, 0.9)).epsilon(1e-9));
  config.name = "step";
  config.every = 2;
  CHECK(rate_at(config, 1) == doctest::Approx(0.005));
  CHECK(rate_at(config, 2) == doctest::Approx(0.00075));
  config.name = "cosine";
  CHECK_THROWS_AS(rate_at(config, 0), EngineError);
}

TEST_CASE("EMA of three steps, buffers included") {
  for (const std::string& name : testing::tested_backends()) {
    const auto backend = testing::make_tested(name);
    NetworkConfig config;
    config.width = 2;
    config.depth = 2;
    config.norm = NormKind::batch;
    const auto student = make_network(*backend, config, 1, 0), teacher = make_network(*backend, config, 2, 1);
    auto fill = [&](Network& network, double value) {
      for (const NamedTensor& tensor : network.state()) backend->pointwise->fill(tensor.value.view(), value);
    };
    fill(*teacher, 1.0);
    for (const double value : {2.0, 4.0, 8.0}) {
      fill(*student, value);
      ema_update(*backend, 0.5, *student, *teacher);  // 1.5, 2.75, 5.375
    }
    for (const NamedTensor& tensor : teacher->state()) {
      for (const double v : to_values(tensor.value)) CHECK(v == doctest::Approx(5.375));
    }
    copy_state(*backend, *student, *teacher);
    CHECK(to_values(weight_of(*teacher, "dec.0.1.running_var"))[1] == 8.0);
    config.width = 4;
    CHECK_THROWS_AS(ema_update(*backend, 0.5, *student, *make_network(*backend, config, 1, 0)), EngineError);
  }
  CHECK(ema_decay(0.99, 0) == 0.0);
  CHECK(ema_decay(0.99, 9) == doctest::Approx(0.9));
  CHECK(ema_decay(0.99, 1000) == 0.99);
}

TEST_CASE("initial weights: moments, determinism, and networks that differ") {
  const auto backend = testing::make_first_tested();
  NetworkConfig config;
  config.depth = 4;
  const auto kaiming = make_network(*backend, config, 1, 0), again = make_network(*backend, config, 1, 0);
  const auto other = make_network(*backend, config, 1, 1), seeded = make_network(*backend, config, 2, 0);
  config.initialisation = Initialisation::xavier;
  const auto xavier = make_network(*backend, config, 1, 0);

  const std::string name = "enc.2.3.weight";  // 64 x 27 products
  const Moments k = moments(weight_of(*kaiming, name)), x = moments(weight_of(*xavier, name));
  CHECK(std::abs(k.mean) < 5e-4);
  CHECK(off(k, std::sqrt(2.0 / 1728.0)) < 0.01);
  CHECK(off(x, std::sqrt(2.0 / 3456.0)) < 0.01);
  const Moments up = moments(weight_of(*kaiming, "up.0.0.weight"));  // from 128 channels: 128 products
  CHECK(off(up, std::sqrt(2.0 / 128.0)) < 0.01);
  // Xavier's fan-out: an input of a strided convolution goes into one window of it, of a transposed one into
  // eight. From 64 channels to 128 (512 products) and back (128 products).
  const Moments xdown = moments(weight_of(*xavier, "down.2.0.weight")),
                xup = moments(weight_of(*xavier, "up.0.0.weight"));
  CHECK(off(xdown, std::sqrt(2.0 / (512.0 + 128.0))) < 0.01);
  CHECK(off(xup, std::sqrt(2.0 / (128.0 + 512.0))) < 0.01);
  CHECK(to_values(weight_of(*kaiming, name)) == to_values(weight_of(*again, name)));
  CHECK(to_values(weight_of(*kaiming, name)) != to_values(weight_of(*other, name)));
  CHECK(to_values(weight_of(*kaiming, name)) != to_values(weight_of(*seeded, name)));
  CHECK(to_values(weight_of(*kaiming, name)) != to_values(weight_of(*kaiming, "enc.2.6.weight")));
  CHECK(moments(weight_of(*kaiming, "enc.2.3.bias")).deviation == 0.0);
  CHECK(moments(weight_of(*kaiming, "enc.2.4.weight")).mean == 1.0);
}

// Merge rules of the two tasks' lanes: two-dimensional examples and running norms worked out by hand, a whole
// step against its lanes, and what is refused.
#include <limits>

#include "tests/cotrain/small_step.h"

using namespace duet;
using namespace duet::testing;

namespace {

struct Point {
  float x, y;
};

// Network 1 of a pair whose lanes hold 0 but for two values, which stand in two parameters: only a rule that
// takes all lanes as one vector treats them as the point (x, y).
struct Lanes {
  std::unique_ptr<Backend> backend = make_default_backend();
  RunConfig config = small_config("udct");
  TrainingState state;
  LaneReport report;
  explicit Lanes(MergeRule rule) {
    config.method.merge = rule;
    config.method.balance_decay = 0.5;
    state = make_training_state(*backend, config, 3);
  }
  Point merge(Point supervised, Point unsupervised, double lambda = 1.0) {
    const auto tail = state.networks[0]->tail_parameters();
    REQUIRE(tail.size() >= 2);
    for (const ParameterPtr& parameter : tail) {
      parameter->clear_gradient();
      REQUIRE(parameter->lanes.size() == 2);
      for (Parameter::Lane& lane : parameter->lanes) {
        lane.gradient = backend->filled(parameter->value.shape(), DType::f32, 0.0);
        lane.has_gradient = true;
      }
    }
    const Point points[] = {supervised, unsupervised};
    for (std::size_t k = 0; k < 2; ++k) {
      tail[0]->lanes[k].gradient.data<float>()[0] = points[k].x;
      tail[1]->lanes[k].gradient.data<float>()[0] = points[k].y;
    }
    report = merge_lanes(*backend, *state.networks[0], config.method, {}, lambda, state.balance[0]);
    for (const ParameterPtr& parameter : tail) REQUIRE(parameter->has_gradient);
    return {tail[0]->gradient.data<float>()[0], tail[1]->gradient.data<float>()[0]};
  }
};

void check(Point found, double x, double y) {
  CHECK(found.x == doctest::Approx(x).epsilon(1e-6));
  CHECK(found.y == doctest::Approx(y).epsilon(1e-6));
}

}  // namespace

TEST_CASE("project: lanes that agree are added, of lanes that do not each loses its part along the other") {
  Lanes lanes(MergeRule::project);
  check(lanes.merge({1, 2}, {2, 1}), 3, 3);
  check(lanes.merge({2, 4}, {1, 2}), 3, 6);  // aligned
  CHECK(lanes.report.cosine == doctest::Approx(1.0));
  check(lanes.merge({3, 0}, {0, 4}), 3, 4);  // orthogonal
  CHECK(lanes.report.cosine == 0.0);
  check(lanes.merge({1, 0}, {-2, 0}), 0, 0);  // opposed: nothing is left
  // <s, u> = -2: s' = s + 2/2 u = (1, 1), u' = u + 2/4 s = (0, 1).
  check(lanes.merge({2, 0}, {-1, 1}), 1, 2);
  CHECK(lanes.report.cosine == doctest::Approx(-2 / (2 * std::sqrt(2.0))));  // of the lanes as they came
  CHECK(lanes.report.supervised_norm == doctest::Approx(2.0));
  CHECK(lanes.report.unsupervised_norm == doctest::Approx(std::sqrt(2.0)));
  check(lanes.merge({3, 4}, {0, 0}), 3, 4);  // a lane of 0 is in nobody's way
  check(lanes.merge({0, 0}, {3, 4}), 3, 4);
  check(lanes.merge({0, 0}, {0, 0}), 0, 0);
}

TEST_CASE("sum: the same lanes, whatever their angle") {
  Lanes lanes(MergeRule::sum);
  check(lanes.merge({2, 0}, {-1, 1}), 1, 1);
  CHECK(lanes.report.cosine == doctest::Approx(-std::sqrt(0.5)));
  check(lanes.merge({3, 4}, {0, 0}), 3, 4);
  CHECK(lanes.report.cosine == 0.0);
  CHECK(lanes.state.balance[0].supervised.count == 0);  // nothing to remember
}

TEST_CASE("balance: running norms over three steps, decay 0.5, lambda 0.5") {
  Lanes lanes(MergeRule::balance);
  const LaneBalance& norms = lanes.state.balance[0];
  // |s| = 3, 5, 1 and |u0| = 6, 2, 4; lanes hold u = u0 / 2.
  check(lanes.merge({3, 0}, {0, 3}, 0.5), 3, 3.0 * 0.5);
  CHECK(norms.supervised.mean == doctest::Approx(3.0));  // not 1.5: no pull to 0 in the first steps
  CHECK(norms.unsupervised.mean == doctest::Approx(6.0));
  // (5 + 3/2) / (3/2) = 13/3 and (2 + 6/2) / (3/2) = 10/3: the lane times 1.3.
  check(lanes.merge({3, 4}, {1, 0}, 0.5), 3 + 1.3, 4);
  CHECK(norms.supervised.mean == doctest::Approx(13.0 / 3));
  CHECK(norms.unsupervised.mean == doctest::Approx(10.0 / 3));
  // (1 + 5/2 + 3/4) / (7/4) = 17/7 and (4 + 2/2 + 6/4) / (7/4) = 26/7.
  check(lanes.merge({0, 1}, {0, -2}, 0.5), 0, 1 - 2 * 17.0 / 26);
  CHECK(norms.supervised.mean == doctest::Approx(17.0 / 7));
  CHECK(norms.unsupervised.mean == doctest::Approx(26.0 / 7));
  CHECK(lanes.report.unsupervised_norm == doctest::Approx(2.0));  // as it came
  CHECK(lanes.state.balance[1].supervised.count == 0);            // network 2 has its own
}

TEST_CASE("balance: norms of nothing are not measured, and nothing is divided by them") {
  Lanes lanes(MergeRule::balance);
  const LaneBalance& norms = lanes.state.balance[0];
  check(lanes.merge({3, 4}, {0, 0}), 3, 4);  // nothing known of |u0|
  CHECK((norms.supervised.count == 1 && norms.unsupervised.count == 0));
  check(lanes.merge({3, 4}, {0, 0}, 0.0), 3, 4);  // lambda 0
  CHECK((norms.supervised.count == 2 && norms.unsupervised.count == 0));
  check(lanes.merge({0, 5}, {10, 0}), 5, 5);
  check(lanes.merge({0, 0}, {0, 0}), 0, 0);
  CHECK((norms.supervised.count == 3 && norms.unsupervised.count == 1));
  check(lanes.merge({0, 0}, {10, 0}), 5, 0);  // the norms of before
  CHECK(norms.supervised.mean == doctest::Approx(5.0));

  Lanes other(MergeRule::balance);
  check(other.merge({0, 0}, {6, 8}), 6, 8);  // nothing known of |s|: as it is
  check(other.merge({0, 0}, {1e-20f, 0}, 1e-30), 0, 0);
  CHECK(std::isfinite(other.merge({1, 0}, {std::numeric_limits<float>::denorm_min(), 0}).x));
}

TEST_CASE("a whole step: merged in the tail, summed elsewhere") {
  for (const MergeRule rule : {MergeRule::project, MergeRule::balance}) {
    RunConfig config = small_config("udct");
    config.method.merge = rule;
    config.method.ramp = 0;
    config.method.lambda_max = 0.5;
    config.training.optimiser.momentum = 0;
    config.training.optimiser.weight_decay = 0;
    SmallStep merged(config), parts(config);
    const StepReport report = merged.run(0);
    // Each task's gradient, from a pass of its own.
    Values gradients[2];
    for (const std::size_t task : {0u, 1u}) {
      std::vector<LossTerm> losses;
      for (const NamedTerm& each : parts.state.method->terms(parts.step())) {
        if (each.name.rfind(task == 0 ? "sup" : "uns", 0) == 0) losses.push_back(each.term);
      }
      for (const auto& network : parts.state.networks) {
        open_lanes(*network, "none", 0);
        for (const ParameterPtr& parameter : network->parameters()) parameter->clear_gradient();
      }
      backward(*parts.backend, losses);
      for (const ParameterPtr& parameter : parts.state.networks[0]->parameters()) {
        for (double g : to_values(parameter->gradient)) gradients[task].push_back(g);
      }
    }
    const auto tail = parts.state.networks[0]->tail_parameters();
    const auto in_tail = [&](const ParameterPtr& p) { return std::ranges::find(tail, p) != tail.end(); };
    double inner = 0, first = 0, second = 0;
    std::size_t at = 0;
    for (const ParameterPtr& parameter : parts.state.networks[0]->parameters()) {
      for (Index e = 0; e < parameter->value.elements(); ++e, ++at) {
        if (!in_tail(parameter)) continue;
        inner += gradients[0][at] * gradients[1][at];
        first += gradients[0][at] * gradients[0][at];
        second += gradients[1][at] * gradients[1][at];
      }
    }
    CHECK(report.lanes[0].supervised_norm == doctest::Approx(std::sqrt(first)).epsilon(1e-4));
    CHECK(report.lanes[0].unsupervised_norm == doctest::Approx(std::sqrt(second)).epsilon(1e-4));
    double by[] = {1, 1};
    if (rule == MergeRule::balance) {
      by[1] = std::sqrt(first) / (std::sqrt(second) / 0.5);
    } else if (inner < 0) {
      by[0] = 1 - inner / first;
      by[1] = 1 - inner / second;
    }
    const double rate = report.rate;
    double worst = 0, largest = 0;
    at = 0;
    const auto after = merged.state.networks[0]->parameters();
    const auto before = parts.state.networks[0]->parameters();
    for (std::size_t k = 0; k < after.size(); ++k) {
      const Values x = to_values(after[k]->value), y = to_values(before[k]->value);
      const bool laned = in_tail(before[k]);
      for (std::size_t e = 0; e < x.size(); ++e, ++at) {
        const double expected =
            gradients[0][at] * (laned ? by[0] : 1) + gradients[1][at] * (laned ? by[1] : 1);
        worst = std::max(worst, std::abs((y[e] - x[e]) / rate - expected));
        largest = std::max(largest, std::abs(expected));
      }
    }
    CHECK(worst <= 1e-4 * largest);
  }
}

TEST_CASE("a rule that has no lanes to merge, or none that meet, is refused by name") {
  for (const std::string rule : {"sum", "project", "balance"}) {
    ConfigValues values = small_values("udct");
    values.assign("method.merge", rule, "test");
    CHECK(config_errors(values).empty());
    values.assign("method.step", std::string("alternating"), "test");
    auto errors = config_errors(values);
    CHECK(errors.size() == (rule == "project" ? 1 : 0));
    if (rule == "project")
      CHECK(errors[0].find("method.merge: expected sum or balance") != std::string::npos);
    values.assign("method.step", std::string("joint"), "test");
    // Batch statistics lead the tasks' gradients through each other's samples.
    values.assign("model.norm", std::string("batch"), "test");
    errors = config_errors(values);
    CHECK(errors.size() == (rule == "sum" ? 0 : 1));
    if (rule != "sum")
      CHECK(errors[0].find("method.merge: expected sum with model.norm = batch") != std::string::npos);
    values.assign("model.norm", std::string("instance"), "test");
    values.assign("method.lanes", std::string("none"), "test");
    errors = config_errors(values);
    if (rule == "sum") {
      CHECK(errors.empty());
    } else {
      REQUIRE(errors.size() == 1);
      CHECK(errors[0].find("method.merge: expected sum with method.lanes = none") != std::string::npos);
      CHECK(errors[0].find("found " + rule) != std::string::npos);
    }
  }
}

#include <cmath>

#include "engine/ops/loss.h"
#include "engine/ops/region.h"
#include "tests/cotrain/small_step.h"

using namespace duet;
using namespace duet::testing;

namespace {

struct Setup : SmallStep {
  using SmallStep::SmallStep;
  Step step(double lambda = 0.5) const { return SmallStep::step(0, lambda); }
};

}  // namespace

TEST_CASE("the ramp: exp(-5) of lambda_max at the start, lambda_max from t_ramp on") {
  MethodConfig config;
  config.lambda_max = 2.0;
  config.ramp = 0.5;
  CHECK(ramp(config, 0, 100) == doctest::Approx(2.0 * std::exp(-5.0)));
  CHECK(ramp(config, 25, 100) == doctest::Approx(2.0 * std::exp(-5.0 * 0.25)));
  CHECK(ramp(config, 50, 100) == doctest::Approx(2.0));
  CHECK(ramp(config, 99, 100) == doctest::Approx(2.0));
}

TEST_CASE("udct's terms are the definitions, computed by hand from the logits") {
  for (Index samples : {Index{0}, Index{3}}) {
    RunConfig config = small_config("udct");
    config.method.samples = samples;
    config.method.alpha = 2.0;
    config.method.beta = 1.5;
    Setup s(config);
    const auto terms = s.state.method->terms(s.step());
    REQUIRE(terms.size() == 4);
    CHECK(terms[2].term.weight == 0.5);

    // The same forwards again, by the definitions of method.md.
    std::vector<std::vector<double>> z, p, u;
    for (std::size_t i = 0; i < 2; ++i) {
      const ForwardContext context = training_context(s.step(), i);
      const Encoding encoding = s.state.networks[i]->encode(context, Var::constant(s.batch.image));
      const Var logits = s.state.networks[i]->decode(context, encoding);
      const Prediction m =
          samples == 0
              ? without_sampling(*s.backend, logits.value(), config.method.uncertainty)
              : monte_carlo(*s.state.networks[i], context, encoding, {samples, 1, config.method.uncertainty});
      z.push_back(to_values(logits.value()));
      p.push_back(to_values(m.probabilities));
      u.push_back(to_values(m.uncertainty));
    }
    const auto labels = to_values(s.batch.labels), valid = to_values(s.batch.valid);
    const std::size_t half = labels.size();
    auto log_softmax_at = [](const std::vector<double>& logits, std::size_t v, std::size_t c) {
      double sum = 0;
      for (std::size_t k = 0; k < 3; ++k) sum += std::exp(logits[3 * v + k]);
      return logits[3 * v + c] - std::log(sum);
    };
    for (std::size_t i = 0; i < 2; ++i) {
      double ce = 0, weight = 0, common[3] = {}, predicted[3] = {}, known[3] = {};
      for (std::size_t v = 0; v < half; ++v) {
        const double w = valid[v] * (1 + 2.0 * u[i][v]);
        const auto y = static_cast<std::size_t>(labels[v]);
        ce -= w * log_softmax_at(z[i], v, y);
        weight += w;
        for (std::size_t c = 0; c < 3; ++c) {
          const double prob = std::exp(log_softmax_at(z[i], v, c));
          common[c] += w * prob * (c == y);
          predicted[c] += w * prob;
          known[c] += w * (c == y);
        }
      }
      double dice = 0;
      for (std::size_t c = 1; c < 3; ++c)
        dice += 1 - (2 * common[c] + 1e-5) / (predicted[c] + known[c] + 1e-5);
      CHECK(value_of(terms[i]) == doctest::Approx(ce / weight + dice / 2).epsilon(1e-4));

      double uns = 0, count = 0;
      const std::size_t j = 1 - i;
      for (std::size_t v = half; v < 2 * half; ++v) {
        std::size_t best = 0;
        for (std::size_t c = 1; c < 3; ++c) {
          if (p[j][3 * v + c] > p[j][3 * v + best]) best = c;
        }
        uns -= valid[v] * std::exp(-1.5 * u[j][v]) * log_softmax_at(z[i], v, best);
        count += valid[v];
      }
      CHECK(value_of(terms[2 + i]) == doctest::Approx(uns / count).epsilon(1e-4));
    }
  }
}

TEST_CASE("detached targets send no gradient into the other network; coupling sends it into both") {
  for (bool coupled : {false, true}) {
    RunConfig config = small_config("udct");
    config.method.coupled = coupled;
    config.method.lanes = "none";
    Setup s(config);
    const auto terms = s.state.method->terms(s.step());
    const std::size_t which = coupled ? 4 : 2;  // coupling, or uns_1
    REQUIRE(terms.size() == (coupled ? 5 : 4));
    const std::vector<LossTerm> one{terms[which].term};
    backward(*s.backend, one);
    auto reached = [&](std::size_t i) {
      double sum = 0;
      for (const ParameterPtr& parameter : s.state.networks[i]->parameters()) {
        if (!parameter->has_gradient) continue;
        for (double g : to_values(parameter->gradient)) sum += std::abs(g);
      }
      return sum > 0;
    };
    CHECK(reached(0));
    CHECK(reached(1) == coupled);
  }
}

TEST_CASE("each kind of target gives a finite loss") {
  for (TargetKind kind : {TargetKind::hard, TargetKind::soft, TargetKind::squared}) {
    RunConfig config = small_config("udct");
    config.method.targets = kind;
    Setup s(config);
    for (const NamedTerm& term : s.state.method->terms(s.step())) CHECK(std::isfinite(value_of(term)));
  }
}

TEST_CASE(
    "lanes on a real step: the cosine is not 0, their sum is the plain gradient, each is its segment's") {
  RunConfig config = small_config("udct");
  config.method.lanes = "all";
  Setup with(config);
  config.method.lanes = "none";
  Setup without(config);
  const auto laned = with.state.method->terms(with.step()),
             plain = without.state.method->terms(without.step());
  std::vector<LossTerm> a, b, supervised, unsupervised;
  for (const auto& term : laned) a.push_back(term.term);
  for (const auto& term : plain) b.push_back(term.term);
  backward(*with.backend, a, {false, {0, with.batch.labelled, with.batch.image.shape().n}});
  backward(*without.backend, b);
  for (std::size_t i = 0; i < 2; ++i) {
    const LaneReport report =
        merge_lanes(*with.backend, *with.state.networks[i], config.method, {}, 1.0, with.state.balance[i]);
    CHECK(report.cosine != 0.0);
    CHECK(std::abs(report.cosine) <= 1.0 + 1e-9);
    CHECK(report.supervised_norm > 0);
    CHECK(report.unsupervised_norm > 0);
    const auto ours = with.state.networks[i]->parameters(), theirs = without.state.networks[i]->parameters();
    double largest = 0, worst = 0;
    for (std::size_t k = 0; k < ours.size(); ++k) {
      const auto x = to_values(ours[k]->gradient), y = to_values(theirs[k]->gradient);
      for (std::size_t e = 0; e < x.size(); ++e) {
        largest = std::max(largest, std::abs(y[e]));
        worst = std::max(worst, std::abs(x[e] - y[e]));
      }
    }
    CHECK(worst <= 1e-5 * largest);
  }
}

TEST_CASE("merge rule sum on two vectors with a known angle") {
  const auto backend = make_default_backend();
  RunConfig config = small_config("udct");
  config.method.lanes = "tail";
  TrainingState state = make_training_state(*backend, config, 3);
  const auto tail = state.networks[0]->tail_parameters();
  for (const ParameterPtr& parameter : tail) {
    for (Parameter::Lane& lane : parameter->lanes) {
      lane.gradient = backend->filled(parameter->value.shape(), DType::f32, 0.0);
      lane.has_gradient = true;
    }
  }
  tail[0]->lanes[0].gradient.data<float>()[0] = 3.0f;  // (3, 0) and (4, 4)
  tail[0]->lanes[1].gradient.data<float>()[0] = 4.0f;
  tail[0]->lanes[1].gradient.data<float>()[1] = 4.0f;
  const LaneReport report =
      merge_lanes(*backend, *state.networks[0], config.method, {}, 1.0, state.balance[0]);
  CHECK(report.supervised_norm == doctest::Approx(3.0));
  CHECK(report.unsupervised_norm == doctest::Approx(std::sqrt(32.0)));
  CHECK(report.cosine == doctest::Approx(std::sqrt(0.5)));
  CHECK(tail[0]->gradient.data<float>()[0] == 7.0f);
  CHECK(tail[0]->gradient.data<float>()[1] == 4.0f);
}

TEST_CASE("a loss that is not finite names iteration, term and cases, and changes nothing") {
  Setup s(small_config("supervised"));
  s.batch.image.data<float>()[5] = std::numeric_limits<float>::infinity();
  const auto before = all_weights(s.state);
  try {
    run_step(*s.backend, s.config, s.state, s.batch, 11);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::numerical);
    const std::string message = error.what();
    CHECK(message.find("iteration 12") != std::string::npos);
    CHECK(message.find("sup_1") != std::string::npos);
    CHECK(message.find(s.batch.case_ids[0]) != std::string::npos);
  }
  CHECK(all_weights(s.state) == before);
}

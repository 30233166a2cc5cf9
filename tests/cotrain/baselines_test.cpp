// The baselines' terms against their definitions, worked out here from logits alone; how teachers move; which
// term's gradient reaches which network.
#include <algorithm>
#include <cmath>

#include "engine/autograd/node.h"
#include "nn/ema.h"
#include "tests/cotrain/small_step.h"

using namespace duet;
using namespace duet::testing;

namespace {

struct Setup : SmallStep {
  using SmallStep::SmallStep;
  Step step(std::uint32_t t = 0, double rise = 1) const {
    Step made = SmallStep::step(t);
    made.rise = rise;
    return made;
  }
  // A teacher that is not its network, so that a term cannot take one for the other.
  void change_teacher() {
    const auto other = make_network(*backend, state.networks[0]->config(), 77, 0);
    copy_state(*backend, *other, *state.teachers[0]);
  }
  // Probabilities of network i on the whole batch, as recorded.
  Values learnt(std::size_t i, std::uint32_t t = 0) const {
    const NoGrad no_grad;
    return softmax_of(
        state.networks[i]->forward(training_context(step(t), i), Var::constant(batch.image)).value());
  }
  // Probabilities of the teacher on the unlabelled samples, by method.md: noise clamp(sd N(0,1), +-limit).
  Values taught(std::uint32_t t, std::uint32_t pass) const {
    const NoGrad no_grad;
    const Tensor clean = batch.image.samples(batch.labelled, batch.image.shape().n);
    Values x = to_values(clean);
    const std::size_t each = x.size() / static_cast<std::size_t>(clean.shape().n);
    const PhiloxKey key{1, Stream::noise, 1, 0, t, pass};
    for (std::size_t i = 0; i < x.size(); ++i) {
      const auto sample = static_cast<std::uint32_t>(batch.labelled) + static_cast<std::uint32_t>(i / each);
      const double drawn = config.method.noise * draw_normal(key, sample, i % each);
      x[i] += std::min(config.method.noise_limit, std::max(-config.method.noise_limit, drawn));
    }
    ForwardContext context{*backend};
    context.dropout = pass == 0 ? DropoutMode::train : DropoutMode::monte_carlo;
    context.norm = NormMode::batch_no_update;
    context.seed = context.network = 1;
    context.step = t;
    context.first_sample = batch.labelled;
    context.first_pass = pass == 0 ? 0 : pass - 1;
    const Var image = Var::constant(from_values(backend->memory, clean.shape(), DType::f32, x));
    return softmax_of(state.teachers[0]->forward(context, image).value());
  }
};

// Cross-entropy and Dice of the labelled half of p.
double supervised_by_hand(const Values& p, const Batch& batch) {
  const Values labels = to_values(batch.labels), valid = to_values(batch.valid);
  double ce = 0, weight = 0, dice = 0;
  for (std::size_t v = 0; v < labels.size(); ++v) {
    ce -= valid[v] * std::log(p[kClasses * v + static_cast<std::size_t>(labels[v])]);
    weight += valid[v];
  }
  for (std::size_t c = 1; c < kClasses; ++c) {
    double common = 0, sizes = 0;
    for (std::size_t v = 0; v < labels.size(); ++v) {
      const double known = labels[v] == static_cast<double>(c), prob = p[kClasses * v + c];
      common += valid[v] * prob * known;
      sizes += valid[v] * (prob + known);
    }
    dice += 1 - (2 * common + 1e-5) / (sizes + 1e-5);
  }
  return ce / weight + dice / 2;
}

// Mean over the classes and the weighted voxels of (p - q)^2, p of the whole batch and q of its second half.
double consistency_by_hand(const Values& p, const Values& q, const Values& weights) {
  const std::size_t first = p.size() - q.size();
  double sum = 0, weight = 0;  // once for each class
  for (std::size_t i = 0; i < q.size(); ++i) {
    sum += weights[i / kClasses] * (p[first + i] - q[i]) * (p[first + i] - q[i]);
    weight += weights[i / kClasses];
  }
  return sum / weight;
}

Values unlabelled_valid(const Batch& batch) {
  return to_values(batch.valid.samples(batch.labelled, batch.valid.shape().n));
}

// Entropy of the mean over passes 1 ... T, over ln C.
Values entropy_by_hand(const Setup& s, std::uint32_t t, std::uint32_t passes) {
  Values mean;
  for (std::uint32_t pass = 1; pass <= passes; ++pass) {
    const Values p = s.taught(t, pass);
    mean.resize(p.size());
    for (std::size_t i = 0; i < p.size(); ++i) mean[i] += p[i] / passes;
  }
  Values entropy(mean.size() / kClasses);
  for (std::size_t i = 0; i < mean.size(); ++i) {
    entropy[i / kClasses] -= mean[i] * std::log(mean[i]) / std::log(static_cast<double>(kClasses));
  }
  return entropy;
}

bool has_gradient(const Network& network) {
  for (const ParameterPtr& parameter : network.parameters()) {
    if (!parameter->has_gradient) continue;
    for (double g : to_values(parameter->gradient))
      if (g != 0) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("mean_teacher: the labels' loss, and the squared error to the teacher's noisy softmax") {
  RunConfig config = small_config("mean_teacher");
  CHECK((config.method.noise == 0.1 && config.method.noise_limit == 0.2));
  config.method.noise = 0.6;  // so that much is cut
  config.method.noise_limit = 0.5;
  Setup s(config);
  s.change_teacher();
  for (std::uint32_t t : {0u, 7u}) {
    const auto terms = s.state.method->terms(s.step(t));
    REQUIRE(terms.size() == 2);
    CHECK(terms[0].term.weight == 1.0);
    CHECK(terms[1].term.weight == 0.5);
    const Values p = s.learnt(0, t);
    CHECK(value_of(terms[0]) == doctest::Approx(supervised_by_hand(p, s.batch)).epsilon(1e-4));
    const double expected = consistency_by_hand(p, s.taught(t, 0), unlabelled_valid(s.batch));
    CHECK(expected > 1e-3);
    CHECK(value_of(terms[1]) == doctest::Approx(expected).epsilon(1e-4));
  }
}

TEST_CASE("ua_mt: the same, where the teacher's entropy is below a threshold that rises with the ramp") {
  RunConfig config = small_config("ua_mt");
  config.method.ramp = 1.0;
  CHECK((config.method.mask_start == 0.75 && config.method.mask_end == 1.0));
  Setup s(config);
  s.change_teacher();
  // An untrained teacher is uncertain everywhere: thresholds that part its voxels.
  Values sorted = entropy_by_hand(s, 0, 3);
  std::sort(sorted.begin(), sorted.end());
  const double low = sorted[sorted.size() / 5], high = sorted[sorted.size() * 4 / 5];
  s.config.method.mask_start = low;
  s.config.method.mask_end = high;
  s.state.method = make_method(s.config.method);
  auto by_hand = [&](std::uint32_t t, std::size_t& counted) {
    const double rise = std::exp(-5.0 * (1 - t / 40.0) * (1 - t / 40.0));
    const Values entropy = entropy_by_hand(s, t, 3);
    Values weights = unlabelled_valid(s.batch);
    for (std::size_t v = 0; v < weights.size(); ++v) {
      if (entropy[v] >= low + (high - low) * rise) weights[v] = 0;
      counted += weights[v] > 0;
    }
    return consistency_by_hand(s.learnt(0, t), s.taught(t, 0), weights);
  };
  std::size_t before = 0;
  for (std::uint32_t t : {0u, 34u, 40u}) {
    const auto terms = s.state.method->terms(s.step(t, ramp_share(s.config.method, t, 40)));
    std::size_t counted = 0;
    CHECK(value_of(terms[1]) == doctest::Approx(by_hand(t, counted)).epsilon(2e-3));
    CHECK(value_of(terms[0]) == doctest::Approx(supervised_by_hand(s.learnt(0, t), s.batch)).epsilon(1e-4));
    CHECK((counted > before + sorted.size() / 20 && counted < sorted.size()));
    before = counted;
  }
  const double expected = by_hand(34, before);  // and the step hands the ramp on
  CHECK(run_step(*s.backend, s.config, s.state, s.batch, 34).terms[1] ==
        doctest::Approx(expected).epsilon(2e-3));
}

TEST_CASE("ua_mt where no voxel is certain: the term is 0, and the step goes on") {
  RunConfig config = small_config("ua_mt");
  config.method.mask_start = config.method.mask_end = 0.0;
  Setup s(config);
  const StepReport report = run_step(*s.backend, s.config, s.state, s.batch, 0);
  CHECK(report.terms[1] == 0.0);
  CHECK(report.lanes[0].unsupervised_norm == 0.0);
  for (double value : all_weights(s.state)) REQUIRE(std::isfinite(value));
}

TEST_CASE("cps: each network learns the labels and the other one's classes; udct without its weights") {
  Setup s(small_config("cps"));
  const auto terms = s.state.method->terms(s.step());
  REQUIRE(terms.size() == 4);
  const Values p[] = {s.learnt(0), s.learnt(1)}, valid = unlabelled_valid(s.batch);
  const std::size_t first = p[0].size() - valid.size() * kClasses;
  for (std::size_t i : {0u, 1u}) {
    CHECK(value_of(terms[i]) == doctest::Approx(supervised_by_hand(p[i], s.batch)).epsilon(1e-4));
    double ce = 0, weight = 0;
    for (std::size_t v = 0; v < valid.size(); ++v) {
      const double* other = &p[1 - i][first + kClasses * v];
      const auto best = static_cast<std::size_t>(std::max_element(other, other + kClasses) - other);
      ce -= valid[v] * std::log(p[i][first + kClasses * v + best]);
      weight += valid[v];
    }
    CHECK(value_of(terms[2 + i]) == doctest::Approx(ce / weight).epsilon(1e-4));
    CHECK(terms[2 + i].term.weight == 0.5);
  }

  RunConfig config = small_config("udct");
  config.method.alpha = config.method.beta = 0;
  config.method.samples = 0;
  Setup same(config);
  for (Index t = 0; t < 3; ++t) {
    run_step(*s.backend, s.config, s.state, s.batch, t);
    run_step(*same.backend, same.config, same.state, same.batch, t);
  }
  CHECK(distance(all_weights(s.state), all_weights(same.state)) < 1e-5);
}

TEST_CASE("a teacher starts as its network and is the moving average after three steps, buffers included") {
  for (const std::string name : {"mean_teacher", "ua_mt"}) {
    RunConfig config = small_config(name, NormKind::batch);
    config.method.ema_decay = 0.6;
    Setup s(config);
    REQUIRE(s.state.teachers.size() == 1);
    Values expected = values_of(*s.state.teachers[0]);
    CHECK(expected == values_of(*s.state.networks[0]));
    const double decay[] = {0.0, 0.5, 0.6};  // min(1 - 1 / (t + 1), 0.6)
    for (std::size_t t = 0; t < 3; ++t) {
      run_step(*s.backend, s.config, s.state, s.batch, static_cast<Index>(t));
      const Values network = values_of(*s.state.networks[0]);
      for (std::size_t i = 0; i < network.size(); ++i) {
        expected[i] = decay[t] * expected[i] + (1 - decay[t]) * network[i];
      }
    }
    CHECK(distance(values_of(*s.state.teachers[0]), expected) < 1e-6);
    CHECK(distance(values_of(*s.state.networks[0]), expected) > 1e-3);
  }
}

TEST_CASE("each term reaches its own network alone, and no term a teacher") {
  struct Reach {
    const char* method;
    std::size_t term;
    bool first, second;
  };
  for (const Reach& each :
       {Reach{"mean_teacher", 0, true, false}, Reach{"mean_teacher", 1, true, false},
        Reach{"ua_mt", 0, true, false}, Reach{"ua_mt", 1, true, false}, Reach{"cps", 0, true, false},
        Reach{"cps", 1, false, true}, Reach{"cps", 2, true, false}, Reach{"cps", 3, false, true}}) {
    INFO(each.method, " term ", each.term);
    RunConfig config = small_config(each.method);
    config.method.lanes = "none";
    config.method.mask_start = 2.0;  // all voxels
    Setup s(config);
    const auto terms = s.state.method->terms(s.step());
    const std::vector<LossTerm> one{terms[each.term].term};
    backward(*s.backend, one);
    CHECK(has_gradient(*s.state.networks[0]) == each.first);
    if (s.state.networks.size() > 1) CHECK(has_gradient(*s.state.networks[1]) == each.second);
    for (const auto& teacher : s.state.teachers) {
      for (const ParameterPtr& parameter : teacher->parameters()) {
        CHECK((!parameter->has_gradient && !parameter->gradient));
      }
    }
  }
}

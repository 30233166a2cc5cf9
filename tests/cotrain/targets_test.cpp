// What targets of unlabelled voxels may be asked for: a floor under their confidence, and teachers that make
// them. Against the definitions, worked out from probabilities.
#include "cotrain/method/confidence.h"
#include "cotrain/method/teacher.h"
#include "engine/autograd/node.h"
#include "nn/ema.h"
#include "tests/cotrain/small_step.h"

using namespace duet;
using namespace duet::testing;

namespace {

// What network i learns from and what it says, on the unlabelled samples.
struct Said {
  Values target, uncertainty, learnt;
};

Said of_network(const SmallStep& s, std::size_t i) {
  const NoGrad no_grad;
  const ForwardContext context = training_context(s.step(), i);
  Network& network = *s.state.networks[i];
  const Encoding encoding = network.encode(context, Var::constant(s.batch.image));
  const Tensor logits = network.decode(context, encoding).value();
  const MethodConfig& method = s.config.method;
  const Index from = s.batch.labelled, to = s.batch.image.shape().n;
  Said said;
  said.learnt = softmax_of(logits.samples(from, to));
  const bool plain = method.samples == 0 || method.name == "cps";
  const Prediction made =
      plain ? without_sampling(*s.backend, logits, method.uncertainty)
            : monte_carlo(network, context, encoding, {method.samples, 1, method.uncertainty});
  said.target = to_values(made.probabilities.samples(from, to));
  said.uncertainty = to_values(made.uncertainty.samples(from, to));
  return said;
}

// What teacher i says of the unlabelled samples alone, masks drawn by their places in the batch.
Said of_teacher(const SmallStep& s, std::size_t i) {
  const NoGrad no_grad;
  ForwardContext context{*s.backend};
  context.dropout = DropoutMode::train;
  context.norm = NormMode::batch_no_update;
  context.seed = 1;
  context.network = static_cast<std::uint32_t>(2 + i);
  context.first_sample = s.batch.labelled;
  const Tensor image = s.batch.image.samples(s.batch.labelled, s.batch.image.shape().n);
  Network& teacher = *s.state.teachers[i];
  const Index samples = s.config.method.samples;
  Values mean, entropy;
  for (Index pass = 0; pass < std::max<Index>(1, samples); ++pass) {
    if (samples > 0) context.dropout = DropoutMode::monte_carlo;
    context.first_pass = pass;
    const Values p = softmax_of(teacher.forward(context, Var::constant(image)).value());
    mean.resize(p.size());
    for (std::size_t k = 0; k < p.size(); ++k)
      mean[k] += p[k] / static_cast<double>(std::max<Index>(1, samples));
  }
  entropy.resize(mean.size() / kClasses);
  for (std::size_t k = 0; k < mean.size(); ++k)
    entropy[k / kClasses] -= mean[k] * std::log(mean[k]) / std::log(static_cast<double>(kClasses));
  return {mean, entropy, {}};
}

std::size_t best_of(const double* p) {
  return static_cast<std::size_t>(std::max_element(p, p + kClasses) - p);
}

// Cross-entropy to the target's classes, weights exp(-beta U) where it is confident, over the valid voxels.
double by_hand(const SmallStep& s, const Values& learnt, const Said& target, double beta, double floor,
               std::size_t* kept = nullptr) {
  const Values valid = to_values(s.batch.valid.samples(s.batch.labelled, s.batch.valid.shape().n));
  double sum = 0, count = 0;
  for (std::size_t v = 0; v < valid.size(); ++v) {
    const double* p = &target.target[kClasses * v];
    const std::size_t best = best_of(p);
    count += valid[v];
    if (p[best] < floor) continue;
    if (kept) *kept += valid[v] > 0;
    sum -= valid[v] * std::exp(-beta * target.uncertainty[v]) * std::log(learnt[kClasses * v + best]);
  }
  return sum / count;
}

// 1 - Dice of the foreground classes, mean, of p towards the target's classes under the same weights.
double dice_by_hand(const SmallStep& s, const Values& learnt, const Said& target, double beta) {
  const Values valid = to_values(s.batch.valid.samples(s.batch.labelled, s.batch.valid.shape().n));
  double mean = 0;
  for (std::size_t c = 1; c < kClasses; ++c) {
    double common = 0, sizes = 0;
    for (std::size_t v = 0; v < valid.size(); ++v) {
      const double w = valid[v] * std::exp(-beta * target.uncertainty[v]);
      const double is = best_of(&target.target[kClasses * v]) == c ? 1 : 0, p = learnt[kClasses * v + c];
      common += w * p * is;
      sizes += w * (p + is);
    }
    mean += 1 - (2 * common + 1e-5) / (sizes + 1e-5);
  }
  return mean / (kClasses - 1);
}

// Half of the voxels lie below it.
double median_confidence(const Values& probabilities) {
  Values best;
  for (std::size_t v = 0; v < probabilities.size(); v += kClasses)
    best.push_back(probabilities[v + best_of(&probabilities[v])]);
  std::ranges::sort(best);
  return (best[best.size() / 2] + best[best.size() / 2 + 1]) / 2;
}

}  // namespace

TEST_CASE("confident: the weights where the greatest probability reaches the floor, untouched otherwise") {
  const auto backend = make_default_backend();
  const Shape shape{2, 1, 2, 2, 3};
  const Values p{0.5, 0.25, 0.25, 0.125, 0.75, 0.125, 0.0, 0.25, 0.75, 0.74, 0.13, 0.13,
                 1.0, 0.0,  0.0,  0.3,   0.3,  0.4,   0.1, 0.8,  0.1,  0.2,  0.2,  0.6};
  const Tensor probabilities = from_values(backend->memory, shape, DType::f32, p);
  const Values w{1, 0.5, 2, 1, 0, 1, 0.1f, 1};
  const Tensor weights = from_values(backend->memory, shape.with_channels(1), DType::f32, w);
  CHECK(to_values(confident(*backend, 0.75, probabilities, weights)) == Values{0, 0.5, 2, 0, 0, 0, 0.1f, 0});
  CHECK(to_values(confident(*backend, 0.0, probabilities, weights)) == w);
  CHECK(to_values(weights) == w);
}

TEST_CASE("the floor's terms by definition, for udct and cps; no voxel left: 0") {
  for (const std::string name : {"udct", "cps"}) {
    INFO(name);
    RunConfig config = small_config(name);
    config.method.beta = name == "cps" ? 0.0 : 1.5;
    SmallStep s(config);
    const Said said[] = {of_network(s, 0), of_network(s, 1)};
    const double floor = median_confidence(said[0].target);
    s.config.method.confidence_floor = floor;
    s.state.method = make_method(s.config.method);
    const auto terms = s.state.method->terms(s.step());
    for (const std::size_t i : {0u, 1u}) {
      std::size_t kept = 0;
      const double expected = by_hand(s, said[i].learnt, said[1 - i], config.method.beta, floor, &kept);
      if (i == 1) CHECK((kept > 1000 && kept < said[0].uncertainty.size() - 1000));
      CHECK(value_of(terms[2 + i]) == doctest::Approx(expected).epsilon(2e-3));
    }
    s.config.method.confidence_floor = 1.0;
    s.state.method = make_method(s.config.method);
    const StepReport report = s.run(0);
    CHECK(report.terms[2].value() == 0.0);
    CHECK(report.lanes[0].unsupervised_norm == 0.0);
    for (double value : all_weights(s.state)) REQUIRE(std::isfinite(value));
  }
}

TEST_CASE("target_dice: the Dice term beside cross-entropy, for udct and cps; not of soft targets") {
  for (const std::string name : {"udct", "cps"}) {
    INFO(name);
    RunConfig config = small_config(name);
    config.method.beta = name == "cps" ? 0.0 : 1.5;
    config.method.target_dice = true;
    SmallStep s(config);
    const Said said[] = {of_network(s, 0), of_network(s, 1)};
    const auto terms = s.state.method->terms(s.step());
    for (const std::size_t i : {0u, 1u}) {
      const Said& target = said[1 - i];
      const double expected = by_hand(s, said[i].learnt, target, config.method.beta, 0.0) +
                              dice_by_hand(s, said[i].learnt, target, config.method.beta);
      CHECK(value_of(terms[2 + i]) == doctest::Approx(expected).epsilon(2e-3));
    }
  }
  ConfigValues values = small_values("udct");
  values.assign("method.target_dice", true, "test");
  CHECK(config_errors(values).empty());
  values.assign("method.targets", std::string("soft"), "test");
  REQUIRE(config_errors(values).size() == 1);
  CHECK(config_errors(values)[0].find("method.target_dice: expected false with method.targets = soft") !=
        std::string::npos);
}

TEST_CASE("target_ema: the teacher of the other network makes targets and their weights") {
  for (const Index samples : {Index{0}, Index{3}}) {
    RunConfig config = small_config("udct");
    config.method.samples = samples;
    config.method.beta = 1.5;
    SmallStep plain(config);
    config.method.target_ema = true;
    SmallStep s(config);
    REQUIRE(s.state.teachers.size() == 2);
    CHECK(plain.state.teachers.empty());
    for (const std::size_t i : {0u, 1u}) {  // so that none can be taken for a network or the other one
      CHECK(values_of(*s.state.teachers[i]) == values_of(*s.state.networks[i]));
      const auto other =
          make_network(*s.backend, s.state.networks[i]->config(), 77, static_cast<unsigned>(i));
      copy_state(*s.backend, *other, *s.state.teachers[i]);
    }
    const auto terms = s.state.method->terms(s.step()), before = plain.state.method->terms(plain.step());
    const Said taught[] = {of_teacher(s, 0), of_teacher(s, 1)};
    for (const std::size_t i : {0u, 1u}) {
      CHECK(value_of(terms[i]) == doctest::Approx(value_of(before[i])).epsilon(1e-5));  // its own passes
      const double expected = by_hand(s, of_network(s, i).learnt, taught[1 - i], 1.5, 0.0);
      CHECK(value_of(terms[2 + i]) == doctest::Approx(expected).epsilon(1e-3));
      CHECK(std::abs(value_of(terms[2 + i]) - value_of(before[2 + i])) > 1e-3);
    }
    std::vector<LossTerm> losses;
    for (const NamedTerm& each : terms) losses.push_back(each.term);
    backward(*s.backend, losses, {false, {0, s.batch.labelled, s.batch.image.shape().n}});
    for (const auto& teacher : s.state.teachers) {
      for (const ParameterPtr& parameter : teacher->parameters())
        CHECK((!parameter->has_gradient && !parameter->gradient));
    }
  }
}

TEST_CASE("target_ema: after three steps each teacher is the moving average of its network") {
  RunConfig config = small_config("udct", NormKind::batch);
  config.method.target_ema = true;
  config.method.coupled = true;
  config.method.ema_decay = 0.6;
  SmallStep s(config);
  Values expected[] = {values_of(*s.state.networks[0]), values_of(*s.state.networks[1])};
  const double decay[] = {0.0, 0.5, 0.6};  // min(1 - 1 / (t + 1), 0.6)
  for (std::size_t t = 0; t < 3; ++t) {
    s.run(static_cast<Index>(t));
    for (const std::size_t i : {0u, 1u}) {
      const Values network = values_of(*s.state.networks[i]);
      for (std::size_t k = 0; k < network.size(); ++k)
        expected[i][k] = decay[t] * expected[i][k] + (1 - decay[t]) * network[k];
    }
  }
  for (const std::size_t i : {0u, 1u}) {
    CHECK(distance(values_of(*s.state.teachers[i]), expected[i]) < 1e-6);
    CHECK(distance(values_of(*s.state.networks[i]), expected[i]) > 1e-3);
  }
}

TEST_CASE(
    "taught_by pair: both networks learn the classes of all passes together, and share their certainty") {
  for (const Index samples : {Index{0}, Index{3}}) {
    RunConfig config = small_config("udct");
    config.method.samples = samples;
    config.method.beta = 1.5;
    SmallStep other(config);
    config.method.taught_by_pair = true;
    SmallStep s(config);
    const Said said[] = {of_network(s, 0), of_network(s, 1)};
    Said both = said[0];
    for (std::size_t k = 0; k < both.target.size(); ++k)
      both.target[k] = (said[0].target[k] + said[1].target[k]) / 2;
    for (std::size_t v = 0; v < both.uncertainty.size(); ++v) {
      both.uncertainty[v] = 0;
      for (std::size_t c = 0; c < kClasses; ++c) {
        const double p = both.target[kClasses * v + c];
        both.uncertainty[v] -= p * std::log(p) / std::log(static_cast<double>(kClasses));
      }
    }
    const auto terms = s.state.method->terms(s.step()), apart = other.state.method->terms(other.step());
    for (const std::size_t i : {0u, 1u}) {
      CHECK(value_of(terms[i]) == doctest::Approx(value_of(apart[i])).epsilon(1e-5));
      CHECK(value_of(terms[2 + i]) ==
            doctest::Approx(by_hand(s, said[i].learnt, both, 1.5, 0.0)).epsilon(2e-3));
      CHECK(std::abs(value_of(terms[2 + i]) - value_of(apart[2 + i])) > 1e-3);
    }
  }
}

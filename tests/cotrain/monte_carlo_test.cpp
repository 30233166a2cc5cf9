#include "engine/ops/loss.h"
#include "tests/cotrain/small_run.h"

using namespace duet;
using namespace duet::testing;

namespace {

struct Setup {
  std::unique_ptr<Backend> backend = make_default_backend();
  RunConfig config;
  TrainingState state;
  Batch batch;
  explicit Setup(NormKind norm, double p = 0.3) : config(small_config("udct", norm)) {
    config.model.dropout_p = p;
    state = make_training_state(*backend, config, 3);
    const TrainingData data = small_data(config);
    batch = make_batch(*backend, sampler_config(config, *state.method), data.labelled, data.unlabelled, 0);
  }
  Step step() const { return {*backend, state.networks, batch, 1, 0, 0.5}; }
};

}  // namespace

TEST_CASE(
    "a shared encoder gives the samples of whole passes with fewer convolutions, and statistics move once") {
  for (NormKind norm : {NormKind::instance, NormKind::batch}) {
    Setup s(norm);
    Network& network = *s.state.networks[0];
    const ForwardContext context = training_context(s.step(), 0);
    const Var x = Var::constant(s.batch.image);

    s.backend->work = {};
    const Encoding encoding = network.encode(context, x);
    const Prediction shared =
        monte_carlo(network, context, encoding, {4, 1, UncertaintyKind::predictive_entropy});
    const auto shared_work = s.backend->work.conv_samples;

    std::vector<double> before;
    for (const NamedTensor& each : network.state()) {
      for (double v : to_values(each.value)) before.push_back(v);
    }
    s.backend->work = {};
    SampleAccumulator sums(*s.backend, shared.probabilities.shape(), DType::f32);
    for (Index pass = 0; pass < 4; ++pass) {
      const NoGrad no_grad;
      ForwardContext whole = context;
      whole.dropout = DropoutMode::monte_carlo;
      whole.norm = NormMode::batch_no_update;
      whole.first_pass = pass;
      sums.add(network.forward(whole, x).value(), 1);
    }
    const Prediction separate = sums.finish(UncertaintyKind::predictive_entropy);
    CHECK(to_values(shared.probabilities) == to_values(separate.probabilities));
    CHECK(to_values(shared.uncertainty) == to_values(separate.uncertainty));
    CHECK(shared_work < s.backend->work.conv_samples);

    std::vector<double> after;
    for (const NamedTensor& each : network.state()) {
      for (double v : to_values(each.value)) after.push_back(v);
    }
    CHECK(before == after);  // passes move no running statistics
  }
}

TEST_CASE("folded passes give the samples of passes one by one") {
  for (NormKind norm : {NormKind::instance, NormKind::batch}) {
    Setup s(norm);
    Network& network = *s.state.networks[0];
    const ForwardContext context = training_context(s.step(), 0);
    const Encoding encoding = network.encode(context, Var::constant(s.batch.image));
    const auto one =
        to_values(monte_carlo(network, context, encoding, {4, 1, UncertaintyKind::variance}).probabilities);
    const auto folded =
        to_values(monte_carlo(network, context, encoding, {4, 4, UncertaintyKind::variance}).probabilities);
    double worst = 0;
    for (std::size_t i = 0; i < one.size(); ++i) worst = std::max(worst, std::abs(one[i] - folded[i]));
    CHECK(worst < 1e-5);
  }
}

TEST_CASE("without dropout the Monte Carlo variance is 0, with it it is not") {
  for (double p : {0.0, 0.3}) {
    Setup s(NormKind::instance, p);
    const ForwardContext context = training_context(s.step(), 0);
    const Encoding encoding = s.state.networks[0]->encode(context, Var::constant(s.batch.image));
    const auto variance = to_values(
        monte_carlo(*s.state.networks[0], context, encoding, {4, 1, UncertaintyKind::variance}).uncertainty);
    const double largest = *std::max_element(variance.begin(), variance.end());
    if (p == 0.0) {
      CHECK(largest < 1e-6);
    } else {
      CHECK(largest > 1e-4);
    }
  }
}

TEST_CASE("T = 0: the recorded prediction stands in for the mean") {
  Setup s(NormKind::instance);
  const ForwardContext context = training_context(s.step(), 0);
  const Var logits = s.state.networks[0]->forward(context, Var::constant(s.batch.image));
  const Prediction plain = without_sampling(*s.backend, logits.value(), UncertaintyKind::predictive_entropy);
  const auto mean = to_values(plain.probabilities), expected = to_values(softmax(*s.backend, logits).value());
  for (std::size_t i = 0; i < mean.size(); ++i) REQUIRE(std::abs(mean[i] - expected[i]) < 1e-6);
  for (double u : to_values(plain.uncertainty)) {
    CHECK(u >= 0.0);
    CHECK(u <= 1.0);
  }
}

// `udct`: uncertainty-aware deep co-training, after the abstract of arXiv 2111.11629; below that level the
// choices are ours. Each network learns from the labels where it is uncertain, and from the other network
// where that one is certain.
#include "cotrain/method/method.h"
#include "cotrain/method/monte_carlo.h"
#include "engine/ops/loss.h"

namespace duet {
namespace {

struct Learner {
  SegmentLogits logits;
  Prediction sampled;  // over the whole batch
};

class Udct : public Method {
 public:
  explicit Udct(const MethodConfig& config) : config_(config) {}
  Index networks() const override { return 2; }
  bool uses_unlabelled() const override { return true; }
  std::vector<std::string> term_names() const override {
    std::vector<std::string> names{"sup_1", "sup_2", "uns_1", "uns_2"};
    if (config_.coupled) names.push_back("coupling");
    return names;
  }

  std::vector<NamedTerm> terms(const Step& step) override {
    const Learner first = run(step, 0), second = run(step, 1);
    std::vector<NamedTerm> terms{{"sup_1", {supervised(step, first), 1.0}},
                                 {"sup_2", {supervised(step, second), 1.0}},
                                 {"uns_1", {unsupervised(step, first, second), step.lambda}},
                                 {"uns_2", {unsupervised(step, second, first), step.lambda}}};
    if (config_.coupled) terms.push_back({"coupling", {coupling(step, first, second), step.lambda}});
    return terms;
  }

 private:
  // One recorded forward; its encoding, without gradient, is shared by the T passes.
  Learner run(const Step& step, std::size_t i) const {
    Network& network = *step.networks[i];
    const ForwardContext context = training_context(step, i);
    Encoding encoding = network.encode(context, Var::constant(step.batch.image));
    Learner learner;
    if (config_.samples > 0) {  // before the recorded decoder's activations stand beside them
      learner.sampled =
          monte_carlo(network, context, encoding, {config_.samples, config_.fold, config_.uncertainty});
    }
    const Var logits = network.decode(context, released(std::move(encoding)));
    if (config_.samples == 0) {
      learner.sampled = without_sampling(step.backend, logits.value(), config_.uncertainty);
    }
    learner.logits = split_segments(step, logits);
    return learner;
  }

  Tensor unlabelled_part(const Step& step, const Tensor& of_batch) const {
    return of_batch.samples(step.batch.labelled, of_batch.shape().n);
  }

  // Labels are exact, so the uncertain voxels are where there is most to learn: w = 1 + alpha U.
  Var supervised(const Step& step, const Learner& learner) const {
    const Index labelled = step.batch.labelled;
    const Tensor uncertainty = learner.sampled.uncertainty.samples(0, labelled);
    Tensor weights = step.backend.empty(uncertainty.shape(), uncertainty.dtype(), "udct");
    step.backend.sampling->weights_towards_uncertain(
        uncertainty.cview(), config_.alpha, step.batch.valid.samples(0, labelled).cview(), weights.view());
    return supervised_loss(step.backend, config_, learner.logits.labelled, step.batch.labels, weights);
  }

  // Targets are guesses, so the certain voxels are where they can be trusted: w = exp(-beta U), over the
  // number of voxels.
  LossWeights certain(const Step& step, const Tensor& uncertainty) const {
    const Tensor valid = unlabelled_part(step, step.batch.valid);
    Tensor weights = step.backend.empty(uncertainty.shape(), uncertainty.dtype(), "udct");
    step.backend.sampling->weights_towards_certain(uncertainty.cview(), config_.beta, valid.cview(),
                                                   weights.view());
    return normalised_by(step.backend, std::move(weights), valid);
  }

  Var unsupervised(const Step& step, const Learner& learner, const Learner& other) const {
    const LossWeights weights = certain(step, unlabelled_part(step, other.sampled.uncertainty));
    const Tensor target = unlabelled_part(step, other.sampled.probabilities);
    switch (config_.targets) {
      case TargetKind::soft:
        return cross_entropy(step.backend, learner.logits.unlabelled, target, weights);
      case TargetKind::squared:
        return squared_error(step.backend, softmax(step.backend, learner.logits.unlabelled),
                             Var::constant(target), weights);
      case TargetKind::hard:
        break;
    }
    Tensor classes = step.backend.empty(target.shape().with_channels(1), DType::u8, "udct");
    step.backend.sampling->argmax(target.cview(), classes.view());
    return cross_entropy(step.backend, learner.logits.unlabelled, classes, weights);
  }

  // Squared error between both recorded predictions where both are certain: gradient flows into both
  // networks.
  Var coupling(const Step& step, const Learner& first, const Learner& second) const {
    const Tensor u1 = unlabelled_part(step, first.sampled.uncertainty);
    const Tensor u2 = unlabelled_part(step, second.sampled.uncertainty);
    Tensor greater = step.backend.empty(u1.shape(), u1.dtype(), "udct");
    step.backend.sampling->maximum(u1.cview(), u2.cview(), greater.view());
    return squared_error(step.backend, softmax(step.backend, first.logits.unlabelled),
                         softmax(step.backend, second.logits.unlabelled), certain(step, greater));
  }

  MethodConfig config_;
};

}  // namespace

std::unique_ptr<Method> make_udct(const MethodConfig& config) { return std::make_unique<Udct>(config); }

}  // namespace duet

// `udct`: uncertainty-aware deep co-training, after the abstract of arXiv 2111.11629; below that level the
// choices are ours. Each network learns from the labels where it is uncertain, and from the other network
// where that one is certain.
#include "cotrain/method/confidence.h"
#include "cotrain/method/teacher.h"
#include "engine/ops/loss.h"

namespace duet {
namespace {

struct Learner {
  SegmentLogits logits;
  Tensor uncertainty;  // of the labelled samples; empty where it weighs nothing
  Prediction target;   // of the unlabelled ones: what the other network learns from
};

class Udct : public Method {
 public:
  explicit Udct(const MethodConfig& config) : config_(config) {}
  Index networks() const override { return 2; }
  Index teachers() const override { return config_.target_ema ? 2 : 0; }
  bool uses_unlabelled() const override { return true; }
  std::vector<std::string> term_names() const override {
    std::vector<std::string> names{"sup_1", "sup_2", "uns_1", "uns_2"};
    if (config_.coupled) names.push_back("coupling");
    return names;
  }

  std::vector<NamedTerm> terms(const Step& whole) override {
    const CutMix mix = draw_cutmix(whole, config_);
    const std::vector<Prediction> taught = targets_of_whole(whole, mix);
    const Batch batch = mixed(whole.backend, mix, whole.batch);
    const Step step = with_batch(whole, batch);
    const bool teaches = step.tasks.unsupervised && taught.empty();
    Learner first = run(step, 0, teaches), second = run(step, 1, teaches);
    if (!taught.empty()) {
      first.target = taught[0];
      second.target = taught[1];
    }
    std::vector<NamedTerm> terms;
    if (step.tasks.supervised) {
      terms.push_back({"sup_1", {supervised(step, first), 1.0}});
      terms.push_back({"sup_2", {supervised(step, second), 1.0}});
    }
    if (step.tasks.unsupervised) {
      terms.push_back({"uns_1", {unsupervised(step, first, second), step.lambda}});
      terms.push_back({"uns_2", {unsupervised(step, second, first), step.lambda}});
      if (config_.coupled) terms.push_back({"coupling", {coupling(step, first, second), step.lambda}});
    }
    return terms;
  }

  void after_step(const Step& step) override { move_teachers(step, config_); }

 private:
  // Where teachers or both networks make the targets, or samples are mixed: before the networks' recorded
  // activations stand beside them.
  std::vector<Prediction> targets_of_whole(const Step& step, const CutMix& mix) const {
    std::vector<Prediction> targets;
    const bool apart = !step.teachers.empty() || config_.taught_by_pair || !mix.boxes.empty();
    if (!step.tasks.unsupervised || !apart) return targets;
    if (config_.taught_by_pair) {
      const Prediction of_both = mixed(step.backend, mix, prediction_of_pair(step, config_));
      return {of_both, of_both};
    }
    for (std::size_t i = 0; i < step.networks.size(); ++i)
      targets.push_back(mixed(step.backend, mix, prediction_of_one(step, config_, i)));
    return targets;
  }

  // One recorded forward; its encoding, without gradient, is shared by the T passes. Where the targets are
  // made beforehand (not `teaches`), the passes are those of the labelled samples alone.
  Learner run(const Step& step, std::size_t i, bool teaches) const {
    Network& network = *step.networks[i];
    const ForwardContext context = training_context(step, i);
    Encoding encoding = network.encode(context, Var::constant(step.batch.image));
    const bool weighs = step.tasks.supervised && config_.alpha > 0;
    Prediction sampled;
    if (config_.samples > 0 && (weighs || teaches)) {
      // Before the recorded decoder's activations stand beside it.
      const SamplingConfig sampling{config_.samples, config_.fold, config_.uncertainty};
      sampled = monte_carlo(network, context, teaches ? encoding : labelled_part(step, encoding), sampling);
    }
    const Var logits = network.decode(context, released(std::move(encoding)));
    if (config_.samples == 0 && (weighs || teaches)) {
      sampled = without_sampling(step.backend, logits.value(), config_.uncertainty);
    }
    Learner learner;
    learner.logits = split_segments(step, logits);
    if (weighs) learner.uncertainty = sampled.uncertainty.samples(0, step.batch.labelled);
    if (teaches) {
      learner.target = {unlabelled_part(step, sampled.probabilities),
                        unlabelled_part(step, sampled.uncertainty)};
    }
    return learner;
  }

  Encoding labelled_part(const Step& step, const Encoding& encoding) const {
    Encoding part;
    for (const Var& stage : encoding.stages)
      part.stages.push_back(Var::constant(stage.value().samples(0, step.batch.labelled)));
    return part;
  }

  Tensor unlabelled_part(const Step& step, const Tensor& of_batch) const {
    return of_batch.samples(step.batch.labelled, of_batch.shape().n);
  }

  // Labels are exact, so the uncertain voxels are where there is most to learn: w = 1 + alpha U.
  Var supervised(const Step& step, const Learner& learner) const {
    const Tensor& uncertainty = learner.uncertainty;
    if (!uncertainty)  // alpha = 0
      return supervised_loss(step.backend, config_, learner.logits.labelled, step.batch.labels,
                             valid_labelled(step));
    Tensor weights = step.backend.empty(uncertainty.shape(), uncertainty.dtype(), "udct");
    step.backend.sampling->weights_towards_uncertain(uncertainty.cview(), config_.alpha,
                                                     valid_labelled(step).cview(), weights.view());
    return supervised_loss(step.backend, config_, learner.logits.labelled, step.batch.labels, weights);
  }

  // Targets are guesses, so the certain voxels are where they can be trusted: w = exp(-beta U).
  Tensor certain(const Step& step, const Tensor& uncertainty) const {
    Tensor weights = step.backend.empty(uncertainty.shape(), uncertainty.dtype(), "udct");
    step.backend.sampling->weights_towards_certain(uncertainty.cview(), config_.beta,
                                                   valid_unlabelled(step).cview(), weights.view());
    return weights;
  }

  // Over the number of voxels.
  LossWeights over_voxels(const Step& step, Tensor weights) const {
    return normalised_by(step.backend, std::move(weights), valid_unlabelled(step));
  }

  Var unsupervised(const Step& step, const Learner& learner, const Learner& other) const {
    const Tensor& target = other.target.probabilities;
    Tensor trusted = certain(step, other.target.uncertainty);
    if (config_.confidence_floor > 0)
      trusted = confident(step.backend, config_.confidence_floor, target, trusted);
    const LossWeights weights = over_voxels(step, std::move(trusted));
    switch (config_.targets) {
      case TargetKind::soft:
        return cross_entropy(step.backend, learner.logits.unlabelled, target, weights);
      case TargetKind::squared:
        return squared_error(step.backend, softmax(step.backend, learner.logits.unlabelled),
                             Var::constant(target), weights);
      case TargetKind::hard:
        break;
    }
    return pseudo_label_loss(step.backend, config_, learner.logits.unlabelled, target, weights);
  }

  // Squared error between both recorded predictions where both are certain: gradient flows into both
  // networks.
  Var coupling(const Step& step, const Learner& first, const Learner& second) const {
    const Tensor &u1 = first.target.uncertainty, &u2 = second.target.uncertainty;
    Tensor greater = step.backend.empty(u1.shape(), u1.dtype(), "udct");
    step.backend.sampling->maximum(u1.cview(), u2.cview(), greater.view());
    return squared_error(step.backend, softmax(step.backend, first.logits.unlabelled),
                         softmax(step.backend, second.logits.unlabelled),
                         over_voxels(step, certain(step, greater)));
  }

  MethodConfig config_;
};

}  // namespace

std::unique_ptr<Method> make_udct(const MethodConfig& config) { return std::make_unique<Udct>(config); }

}  // namespace duet

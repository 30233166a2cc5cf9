// `cps`: cross pseudo supervision (Chen et al., CVPR 2021), two networks that differ in their initial
// weights; on the unlabelled samples each learns the classes that the other one predicts, taken as constants.
// What udct is with alpha = beta = 0, T = 0 and hard targets.
#include "cotrain/method/confidence.h"
#include "cotrain/method/teacher.h"
#include "engine/ops/loss.h"

namespace duet {
namespace {

class CrossPseudoSupervision : public Method {
 public:
  explicit CrossPseudoSupervision(const MethodConfig& config) : config_(config) {}
  Index networks() const override { return 2; }
  bool uses_unlabelled() const override { return true; }
  std::vector<std::string> term_names() const override { return {"sup_1", "sup_2", "uns_1", "uns_2"}; }

  std::vector<NamedTerm> terms(const Step& whole) override {
    const CutMix mix = draw_cutmix(whole, config_);
    const std::vector<Tensor> taught = targets_of_whole(whole, mix);
    const Batch batch = mixed(whole.backend, mix, whole.batch);
    const Step step = with_batch(whole, batch);
    const SegmentLogits first = recorded_logits(step, 0), second = recorded_logits(step, 1);
    std::vector<NamedTerm> terms;
    if (step.tasks.supervised) {
      terms.push_back({"sup_1", {supervised(step, first), 1.0}});
      terms.push_back({"sup_2", {supervised(step, second), 1.0}});
    }
    if (step.tasks.unsupervised) {
      const Tensor one = taught.empty() ? scores(step, first) : taught[0];
      const Tensor two = taught.empty() ? scores(step, second) : taught[1];
      terms.push_back({"uns_1", {cross(step, first, two), step.lambda}});
      terms.push_back({"uns_2", {cross(step, second, one), step.lambda}});
    }
    return terms;
  }

 private:
  // Where samples are mixed, what each network makes of them as they were: of a forward of its own.
  std::vector<Tensor> targets_of_whole(const Step& step, const CutMix& mix) const {
    std::vector<Tensor> targets;
    MethodConfig once = config_;
    once.samples = 0;
    for (std::size_t i = 0; !mix.boxes.empty() && i < step.networks.size(); ++i)
      targets.push_back(mixed(step.backend, mix, prediction_of_one(step, once, i).probabilities));
    return targets;
  }

  // Logits order classes as probabilities do, which only a floor asks for.
  Tensor scores(const Step& step, const SegmentLogits& of) const {
    const Tensor& logits = of.unlabelled.value();
    return config_.confidence_floor > 0 ? softmax(step.backend, Var::constant(logits)).value() : logits;
  }

  Var supervised(const Step& step, const SegmentLogits& learner) const {
    return supervised_loss(step.backend, config_, learner.labelled, step.batch.labels, valid_labelled(step));
  }

  Var cross(const Step& step, const SegmentLogits& learner, const Tensor& target) const {
    return pseudo_label_loss(step.backend, config_, learner.unlabelled, target, weights(step, target));
  }

  LossWeights weights(const Step& step, const Tensor& target) const {
    const Tensor valid = valid_unlabelled(step);
    if (config_.confidence_floor <= 0) return normalised_by_sum(step.backend, valid);
    return normalised_by(step.backend, confident(step.backend, config_.confidence_floor, target, valid),
                         valid);
  }

  MethodConfig config_;
};

}  // namespace

std::unique_ptr<Method> make_cps(const MethodConfig& config) {
  return std::make_unique<CrossPseudoSupervision>(config);
}

}  // namespace duet

// `mean_teacher`: one network learns from the labels, and on the unlabelled samples to agree with its moving
// average (Tarvainen & Valpola, NeurIPS 2017), whatever noise that one sees.
#include "cotrain/method/teacher.h"

namespace duet {
namespace {

class MeanTeacher : public Method {
 public:
  explicit MeanTeacher(const MethodConfig& config) : config_(config) {}
  Index networks() const override { return 1; }
  Index teachers() const override { return 1; }
  bool uses_unlabelled() const override { return true; }
  std::vector<std::string> term_names() const override { return {"sup_1", "uns_1"}; }

  std::vector<NamedTerm> terms(const Step& step) override {
    Backend& backend = step.backend;
    // Before the network's recorded activations stand beside it.
    const Tensor target = softmax(backend, Var::constant(teacher_logits(step, config_, 0))).value();
    const SegmentLogits logits = recorded_logits(step, 0);
    const LossWeights weights = normalised_by_sum(backend, valid_unlabelled(step));
    return {
        {"sup_1",
         {supervised_loss(backend, config_, logits.labelled, step.batch.labels, valid_labelled(step)), 1.0}},
        {"uns_1", {consistency(backend, logits.unlabelled, target, weights), step.lambda}}};
  }

  void after_step(const Step& step) override { move_teacher(step, config_); }

 private:
  MethodConfig config_;
};

}  // namespace

std::unique_ptr<Method> make_mean_teacher(const MethodConfig& config) {
  return std::make_unique<MeanTeacher>(config);
}

}  // namespace duet

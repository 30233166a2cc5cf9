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
    if (!step.tasks.unsupervised) return student_terms(step, config_, {}, {}, {});
    // Before the network's recorded activations stand beside it.
    const Tensor target = softmax(step.backend, Var::constant(teacher_logits(step, config_, 0))).value();
    const CutMix mix = draw_cutmix(step, config_);
    const Tensor valid = mixed(step.backend, mix, valid_unlabelled(step));
    return student_terms(step, config_, mix, mixed(step.backend, mix, target),
                         normalised_by_sum(step.backend, valid));
  }

  void after_step(const Step& step) override { move_teachers(step, config_); }

 private:
  MethodConfig config_;
};

}  // namespace

std::unique_ptr<Method> make_mean_teacher(const MethodConfig& config) {
  return std::make_unique<MeanTeacher>(config);
}

}  // namespace duet

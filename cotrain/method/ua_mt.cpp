// `ua_mt`: a mean teacher whose target counts only where its T Monte Carlo passes leave it certain (Yu et
// al., "Uncertainty-aware self-ensembling model", MICCAI 2019). As in its public code each pass has noise and
// masks of its own, and the mean is over the voxels that count.
#include "cotrain/method/monte_carlo.h"
#include "cotrain/method/teacher.h"

namespace duet {
namespace {

class UncertaintyAwareMeanTeacher : public Method {
 public:
  explicit UncertaintyAwareMeanTeacher(const MethodConfig& config) : config_(config) {}
  Index networks() const override { return 1; }
  Index teachers() const override { return 1; }
  bool uses_unlabelled() const override { return true; }
  std::vector<std::string> term_names() const override { return {"sup_1", "uns_1"}; }

  std::vector<NamedTerm> terms(const Step& step) override {
    if (!step.tasks.unsupervised) return student_terms(step, config_, {}, {}, {});
    const Tensor taught = teacher_logits(step, config_, 0);
    const Tensor target = softmax(step.backend, Var::constant(taught)).value();
    const CutMix mix = draw_cutmix(step, config_);
    const LossWeights weights = certain(step, mix, mixed(step.backend, mix, uncertainty(step, taught)));
    return student_terms(step, config_, mix, mixed(step.backend, mix, target), weights);
  }

  void after_step(const Step& step) override { move_teachers(step, config_); }

 private:
  Tensor uncertainty(const Step& step, const Tensor& taught) const {
    if (config_.samples == 0) return without_sampling(step.backend, taught, config_.uncertainty).uncertainty;
    SampleAccumulator sums(step.backend, taught.shape(), taught.dtype());
    for (Index pass = 1; pass <= config_.samples; ++pass) sums.add(teacher_logits(step, config_, pass), 1);
    return sums.finish(config_.uncertainty).uncertainty;
  }

  // Weight 1 where U is below the threshold (and inside the image), else 0, over their sum.
  LossWeights certain(const Step& step, const CutMix& mix, const Tensor& uncertainty) const {
    Backend& backend = step.backend;
    const double threshold = config_.mask_start + (config_.mask_end - config_.mask_start) * step.rise;
    const Tensor margin = backend.filled(uncertainty.shape(), uncertainty.dtype(), threshold, "ua_mt");
    backend.pointwise->scale(uncertainty.cview(), -1.0, margin.view(), Accum::add);
    const Tensor valid = mixed(backend, mix, valid_unlabelled(step));
    // ReLU's gradient is the step function: passes on `valid` where threshold - U > 0.
    Tensor weights = backend.empty(uncertainty.shape(), uncertainty.dtype(), "ua_mt");
    backend.pointwise->leaky_relu_backward(margin.cview(), valid.cview(), 0.0, weights.view(), Accum::write);
    // Where no voxel counts the loss is 0 / 1e-16, not 0 / 0.
    Tensor count = backend.filled(Shape::scalar(), weights.dtype(), 1e-16, "ua_mt");
    backend.loss->reduce_sum({}, weights.cview(), 1.0, count.view(), Accum::add);
    return {std::move(weights), std::move(count)};
  }

  MethodConfig config_;
};

}  // namespace

std::unique_ptr<Method> make_ua_mt(const MethodConfig& config) {
  return std::make_unique<UncertaintyAwareMeanTeacher>(config);
}

}  // namespace duet

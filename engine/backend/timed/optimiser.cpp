#include "engine/backend/timed/group.h"

namespace duet::timed {
namespace {

class Optimiser final : public Group<OptimiserKernels> {
 public:
  using Group::Group;

  void sgd_step(const SgdStep& s, double grad_scale, const std::vector<SgdTensors>& all) override {
    const auto touched = [](const SgdTensors& t) {
      return use_of(t.parameter, {t.grad, t.momentum, t.momentum});
    };
    run(sum_of("sgd_step", all, touched), [&] { inner_->sgd_step(s, grad_scale, all); });
  }
  void adamw_step(const AdamWStep& s, double grad_scale, const std::vector<AdamWTensors>& all) override {
    const auto touched = [](const AdamWTensors& t) {
      return use_of(t.parameter, {t.grad, t.m, t.m, t.v, t.v});
    };
    run(sum_of("adamw_step", all, touched), [&] { inner_->adamw_step(s, grad_scale, all); });
  }
  void ema_update(double decay, const std::vector<EmaTensors>& all) override {
    const auto touched = [](const EmaTensors& t) { return use_of(t.average, {t.x}); };
    run(sum_of("ema_update", all, touched), [&] { inner_->ema_update(decay, all); });
  }

 private:
  // Of one row of tensors: `updated` is read and written.
  static KernelUse use_of(const View& updated, std::initializer_list<ConstView> others) {
    KernelUse use = Group::use_of("", "optimiser", {updated, updated});
    for (const ConstView& view : others) use.bytes += bytes_of(view);
    return use;
  }
  // As one tensor, a vector of all elements.
  template <class Tensors, class Touched>
  static KernelUse sum_of(const char* kernel, const std::vector<Tensors>& all, const Touched& touched) {
    KernelUse sum;
    sum.kernel = kernel;
    sum.group = "optimiser";
    sum.shape = Shape::vector(0);
    for (const Tensors& each : all) {
      const KernelUse use = touched(each);
      sum.dtype = use.dtype;
      sum.bytes += use.bytes;
      sum.shape.c += use.shape.elements();
    }
    return sum;
  }
};

}  // namespace

std::unique_ptr<OptimiserKernels> wrap(std::unique_ptr<OptimiserKernels> inner, Timings& timings) {
  return std::make_unique<Optimiser>(std::move(inner), timings);
}

}  // namespace duet::timed

#include "engine/backend/timed/group.h"

namespace duet::timed {
namespace {

class Optimiser final : public Group<OptimiserKernels> {
 public:
  using Group::Group;

  void sgd_step(const SgdStep& s, double grad_scale, ConstView grad, View momentum, View p) override {
    run("sgd_step", "optimiser", {grad, momentum, momentum, p, p},
        [&] { inner_->sgd_step(s, grad_scale, grad, momentum, p); });
  }
  void adamw_step(const AdamWStep& s, double grad_scale, ConstView grad, View m, View v, View p) override {
    run("adamw_step", "optimiser", {grad, m, m, v, v, p, p},
        [&] { inner_->adamw_step(s, grad_scale, grad, m, v, p); });
  }
  void ema_update(double decay, ConstView x, View average) override {
    run("ema_update", "optimiser", {x, average, average}, [&] { inner_->ema_update(decay, x, average); });
  }
};

}  // namespace

std::unique_ptr<OptimiserKernels> wrap(std::unique_ptr<OptimiserKernels> inner, Timings& timings) {
  return std::make_unique<Optimiser>(std::move(inner), timings);
}

}  // namespace duet::timed

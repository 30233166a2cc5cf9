#include "engine/backend/timed/group.h"

namespace duet::timed {
namespace {

class Norm final : public Group<NormKernels> {
 public:
  using Group::Group;

  void norm_statistics(const NormSpec& s, ConstView x, View mean, View var) override {
    run("norm_statistics", "norm, activation, skip", {x, mean, var},
        [&] { inner_->norm_statistics(s, x, mean, var); });
  }
  void norm_forward(const NormSpec& s, const NormOperands& in, ConstView skip, View y) override {
    run("norm_forward", "norm, activation, skip", {in.x, in.mean, in.var, in.gamma, in.beta, skip, y},
        [&] { inner_->norm_forward(s, in, skip, y); });
  }
  void norm_backward_sums(const NormSpec& s, const NormOperands& in, ConstView dy, View sums) override {
    run("norm_backward_sums", "norm, activation, skip", {in.x, dy, in.mean, in.var, in.gamma, in.beta, sums},
        [&] { inner_->norm_backward_sums(s, in, dy, sums); });
  }
  void norm_backward_parameters(ConstView sums, View dgamma, Accum a, View dbeta, Accum b) override {
    run("norm_backward_parameters", "norm, activation, skip",
        {sums, dgamma, again(dgamma, a), dbeta, again(dbeta, b)},
        [&] { inner_->norm_backward_parameters(sums, dgamma, a, dbeta, b); });
  }
  void norm_backward_data(const NormSpec& s, const NormOperands& in, ConstView dy, ConstView sums, View dx,
                          Accum a) override {
    run("norm_backward_data", "norm, activation, skip",
        {in.x, dy, in.mean, in.var, in.gamma, in.beta, sums, dx, again(dx, a)},
        [&] { inner_->norm_backward_data(s, in, dy, sums, dx, a); });
  }
  void norm_update_running(ConstView mean, ConstView var, Index count, double momentum, View running_mean,
                           View running_var) override {
    run("norm_update_running", "norm, activation, skip",
        {mean, var, running_mean, running_mean, running_var, running_var},
        [&] { inner_->norm_update_running(mean, var, count, momentum, running_mean, running_var); });
  }
};

}  // namespace

std::unique_ptr<NormKernels> wrap(std::unique_ptr<NormKernels> inner, Timings& timings) {
  return std::make_unique<Norm>(std::move(inner), timings);
}

}  // namespace duet::timed

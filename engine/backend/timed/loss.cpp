#include "engine/backend/timed/group.h"

namespace duet::timed {
namespace {

constexpr const char* kRow = "softmax and losses";

class Loss final : public Group<LossKernels> {
 public:
  using Group::Group;

  void softmax_forward(ConstView x, View y) override {
    run("softmax_forward", kRow, {x, y}, [&] { inner_->softmax_forward(x, y); });
  }
  void softmax_backward(ConstView y, ConstView dy, View dx, Accum a) override {
    run("softmax_backward", kRow, {y, dy, dx, again(dx, a)}, [&] { inner_->softmax_backward(y, dy, dx, a); });
  }
  void log_softmax_forward(ConstView x, View y) override {
    run("log_softmax_forward", kRow, {x, y}, [&] { inner_->log_softmax_forward(x, y); });
  }
  void log_softmax_backward(ConstView y, ConstView dy, View dx, Accum a) override {
    run("log_softmax_backward", kRow, {y, dy, dx, again(dx, a)},
        [&] { inner_->log_softmax_backward(y, dy, dx, a); });
  }

  void cross_entropy_forward(ConstView z, LossTarget t, ConstView w, ConstView denominator,
                             View loss) override {
    run("cross_entropy_forward", kRow, {z, t.values, w, denominator, loss},
        [&] { inner_->cross_entropy_forward(z, t, w, denominator, loss); });
  }
  void cross_entropy_backward(ConstView z, LossTarget t, ConstView w, ConstView denominator, ConstView dloss,
                              View dz, Accum a) override {
    run("cross_entropy_backward", kRow, {z, t.values, w, denominator, dloss, dz, again(dz, a)},
        [&] { inner_->cross_entropy_backward(z, t, w, denominator, dloss, dz, a); });
  }
  void dice_forward(const DiceSpec& s, ConstView p, LossTarget t, ConstView w, View sums,
                    View loss) override {
    run("dice_forward", kRow, {p, t.values, w, sums, loss},
        [&] { inner_->dice_forward(s, p, t, w, sums, loss); });
  }
  void dice_backward(const DiceSpec& s, LossTarget t, ConstView w, ConstView sums, ConstView dloss, View dp,
                     Accum a) override {
    run("dice_backward", kRow, {dp, t.values, w, sums, dloss, again(dp, a)},
        [&] { inner_->dice_backward(s, t, w, sums, dloss, dp, a); });
  }
  void segmentation_loss_forward(const DiceSpec& s, ConstView z, ConstView t, ConstView w,
                                 ConstView denominator, View sums, View loss) override {
    run("segmentation_loss_forward", kRow, {z, t, w, denominator, sums, loss},
        [&] { inner_->segmentation_loss_forward(s, z, t, w, denominator, sums, loss); });
  }
  void segmentation_loss_backward(const DiceSpec& s, ConstView z, ConstView t, ConstView w,
                                  ConstView denominator, ConstView sums, ConstView dloss, View dz,
                                  Accum a) override {
    run("segmentation_loss_backward", kRow, {z, t, w, denominator, sums, dloss, dz, again(dz, a)},
        [&] { inner_->segmentation_loss_backward(s, z, t, w, denominator, sums, dloss, dz, a); });
  }
  void squared_error_forward(ConstView a, ConstView b, ConstView w, ConstView denominator,
                             View loss) override {
    run("squared_error_forward", kRow, {a, b, w, denominator, loss},
        [&] { inner_->squared_error_forward(a, b, w, denominator, loss); });
  }
  void squared_error_backward(ConstView a, ConstView b, ConstView w, ConstView denominator, ConstView dloss,
                              View da, Accum accum) override {
    run("squared_error_backward", kRow, {a, b, w, denominator, dloss, da, again(da, accum)},
        [&] { inner_->squared_error_backward(a, b, w, denominator, dloss, da, accum); });
  }

  void reduce_sum(const Reduction& r, ConstView x, double factor, View y, Accum a) override {
    run("reduce_sum", kRow, {x, y, again(y, a)}, [&] { inner_->reduce_sum(r, x, factor, y, a); });
  }
  void broadcast(const Reduction& r, ConstView x, double factor, View y, Accum a) override {
    run("broadcast", kRow, {x, y, again(y, a)}, [&] { inner_->broadcast(r, x, factor, y, a); });
  }
  void dot(ConstView a, ConstView b, View out, Accum accum) override {
    run("dot", kRow, {a, b, out, again(out, accum)}, [&] { inner_->dot(a, b, out, accum); });
  }
};

}  // namespace

std::unique_ptr<LossKernels> wrap(std::unique_ptr<LossKernels> inner, Timings& timings) {
  return std::make_unique<Loss>(std::move(inner), timings);
}

}  // namespace duet::timed

#include "engine/backend/timed/group.h"

namespace duet::timed {
namespace {

class Pointwise final : public Group<PointwiseKernels> {
 public:
  using Group::Group;

  void fill(View y, double value) override {
    run("fill", "elementwise", {y}, [&] { inner_->fill(y, value); });
  }
  void convert(ConstView x, View y) override {
    run("convert", "elementwise", {x, y}, [&] { inner_->convert(x, y); });
  }
  void scale(ConstView x, double factor, View y, Accum a) override {
    run("scale", "elementwise", {x, y, again(y, a)}, [&] { inner_->scale(x, factor, y, a); });
  }
  void scale_by(ConstView x, ConstView factor, View y, Accum a) override {
    run("scale_by", "elementwise", {x, factor, y, again(y, a)}, [&] { inner_->scale_by(x, factor, y, a); });
  }
  void add(ConstView a, ConstView b, View y) override {
    run("add", "elementwise", {a, b, y}, [&] { inner_->add(a, b, y); });
  }
  void multiply(ConstView a, ConstView b, View y, Accum accum) override {
    run("multiply", "elementwise", {a, b, y, again(y, accum)}, [&] { inner_->multiply(a, b, y, accum); });
  }

  void leaky_relu_forward(ConstView x, double slope, View y) override {
    run("leaky_relu_forward", "activation", {x, y}, [&] { inner_->leaky_relu_forward(x, slope, y); });
  }
  void leaky_relu_backward(ConstView y, ConstView dy, double slope, View dx, Accum a) override {
    run("leaky_relu_backward", "activation", {y, dy, dx, again(dx, a)},
        [&] { inner_->leaky_relu_backward(y, dy, slope, dx, a); });
  }
  void prelu_forward(ConstView x, ConstView slope, View y) override {
    run("prelu_forward", "activation", {x, slope, y}, [&] { inner_->prelu_forward(x, slope, y); });
  }
  void prelu_backward_data(ConstView x, ConstView dy, ConstView slope, View dx, Accum a) override {
    run("prelu_backward_data", "activation", {x, dy, slope, dx, again(dx, a)},
        [&] { inner_->prelu_backward_data(x, dy, slope, dx, a); });
  }
  void prelu_backward_slope(ConstView x, ConstView dy, View dslope, Accum a) override {
    run("prelu_backward_slope", "activation", {x, dy, dslope, again(dslope, a)},
        [&] { inner_->prelu_backward_slope(x, dy, dslope, a); });
  }

  void dropout(const DropoutSpec& s, ConstView x, View y, Accum a) override {
    run("dropout", "dropout", {x, y, again(y, a)}, [&] { inner_->dropout(s, x, y, a); });
  }
  void dropout_factors(const DropoutSpec& s, View factors) override {
    run("dropout_factors", "dropout", {factors}, [&] { inner_->dropout_factors(s, factors); });
  }
};

}  // namespace

std::unique_ptr<PointwiseKernels> wrap(std::unique_ptr<PointwiseKernels> inner, Timings& timings) {
  return std::make_unique<Pointwise>(std::move(inner), timings);
}

}  // namespace duet::timed

#include "engine/backend/timed/group.h"

namespace duet::timed {
namespace {

constexpr Conv3dSpec kPointwise{{1, 1, 1}, {1, 1, 1}, {0, 0, 0}};

const char* row_of(ConvPass pass) {
  switch (pass) {
    case ConvPass::forward:
      return "convolution forward";
    case ConvPass::data:
      return "convolution data";
    case ConvPass::weights:
      break;
  }
  return "convolution weights";
}

class Convolution final : public Group<ConvolutionKernels> {
 public:
  using Group::Group;

  void conv3d_forward(const Conv3dSpec& s, ConstView x, ConstView w, ConstView b, View y) override {
    convolve("conv3d_forward", {ConvPass::forward, s, x.shape, w.shape}, y.shape, {x, w, b, y},
             [&] { inner_->conv3d_forward(s, x, w, b, y); });
  }
  void conv3d_backward_data(const Conv3dSpec& s, ConstView dy, ConstView w, View dx, Accum a) override {
    convolve("conv3d_backward_data", {ConvPass::data, s, dx.shape, w.shape}, dy.shape,
             {dy, w, dx, again(dx, a)}, [&] { inner_->conv3d_backward_data(s, dy, w, dx, a); });
  }
  void conv3d_backward_weights(const Conv3dSpec& s, ConstView x, ConstView dy, View dw, Accum a) override {
    convolve("conv3d_backward_weights", {ConvPass::weights, s, x.shape, dw.shape}, dy.shape,
             {x, dy, dw, again(dw, a)}, [&] { inner_->conv3d_backward_weights(s, x, dy, dw, a); });
  }

  void conv_transpose3d_forward(const Conv3dSpec& s, ConstView x, ConstView w, ConstView b, View y) override {
    transposed("conv_transpose3d_forward", {ConvPass::data, s, y.shape, w.shape}, x.shape, {x, w, b, y},
               [&] { inner_->conv_transpose3d_forward(s, x, w, b, y); });
  }
  void conv_transpose3d_backward_data(const Conv3dSpec& s, ConstView dy, ConstView w, View dx,
                                      Accum a) override {
    transposed("conv_transpose3d_backward_data", {ConvPass::forward, s, dy.shape, w.shape}, dx.shape,
               {dy, w, dx, again(dx, a)}, [&] { inner_->conv_transpose3d_backward_data(s, dy, w, dx, a); });
  }
  void conv_transpose3d_backward_weights(const Conv3dSpec& s, ConstView x, ConstView dy, View dw,
                                         Accum a) override {
    transposed("conv_transpose3d_backward_weights", {ConvPass::weights, s, dy.shape, dw.shape}, x.shape,
               {x, dy, dw, again(dw, a)},
               [&] { inner_->conv_transpose3d_backward_weights(s, x, dy, dw, a); });
  }

  void pointwise_conv_forward(ConstView x, ConstView f, ConstView w, ConstView b, View y) override {
    convolve("pointwise_conv_forward", {ConvPass::forward, kPointwise, x.shape, w.shape}, y.shape,
             {x, f, w, b, y}, [&] { inner_->pointwise_conv_forward(x, f, w, b, y); });
  }
  void pointwise_conv_backward_data(ConstView dy, ConstView f, ConstView w, View dx, Accum a) override {
    convolve("pointwise_conv_backward_data", {ConvPass::data, kPointwise, dx.shape, w.shape}, dy.shape,
             {dy, f, w, dx, again(dx, a)}, [&] { inner_->pointwise_conv_backward_data(dy, f, w, dx, a); });
  }
  void pointwise_conv_backward_weights(ConstView x, ConstView f, ConstView dy, View dw, Accum a) override {
    convolve("pointwise_conv_backward_weights", {ConvPass::weights, kPointwise, x.shape, dw.shape}, dy.shape,
             {x, f, dy, dw, again(dw, a)}, [&] { inner_->pointwise_conv_backward_weights(x, f, dy, dw, a); });
  }

  void bias_backward(ConstView dy, View db, Accum a) override {
    run("bias_backward", "bias", {dy, db, again(db, a)}, [&] { inner_->bias_backward(dy, db, a); });
  }

  void forget_weights() override { inner_->forget_weights(); }
  PlanCounters plan_counters() const override { return inner_->plan_counters(); }
  std::string implementation(ConvPass pass, const Conv3dSpec& s, const Shape& x, const Shape& w,
                             DType type) override {
    return inner_->implementation(pass, s, x, w, type);
  }

 private:
  // y: the output of the convolution in `problem`. Each of its elements is a dot product of length kernel *
  // Ci.
  template <class Body>
  void convolve(const char* kernel, const ConvolutionUse& problem, const Shape& y,
                std::initializer_list<ConstView> touched, const Body& body) {
    timed_as(row_of(problem.pass), kernel, problem, y, touched, body);
  }

  // Stands in the row of what it is to its caller: the forward of a transposed convolution is a forward.
  template <class Body>
  void transposed(const char* kernel, const ConvolutionUse& problem, const Shape& y,
                  std::initializer_list<ConstView> touched, const Body& body) {
    const ConvPass shown = problem.pass == ConvPass::data      ? ConvPass::forward
                           : problem.pass == ConvPass::forward ? ConvPass::data
                                                               : ConvPass::weights;
    timed_as(row_of(shown), kernel, problem, y, touched, body);
  }

  template <class Body>
  void timed_as(const char* row, const char* kernel, const ConvolutionUse& problem, const Shape& y,
                std::initializer_list<ConstView> touched, const Body& body) {
    KernelUse use = use_of(kernel, row, touched);
    use.convolution = problem;
    use.flops = 2.0 * static_cast<double>(y.rows()) * static_cast<double>(problem.w.elements());
    run(use, body);
  }
};

}  // namespace

std::unique_ptr<ConvolutionKernels> wrap(std::unique_ptr<ConvolutionKernels> inner, Timings& timings) {
  return std::make_unique<Convolution>(std::move(inner), timings);
}

}  // namespace duet::timed

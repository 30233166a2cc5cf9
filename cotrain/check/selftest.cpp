#include "cotrain/check/selftest.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "engine/autograd/node.h"
#include "engine/core/philox.h"

namespace duet {
namespace {

enum class Kind { conv, transposed, pointwise };

struct Call {
  Kind kind;
  Conv3dSpec spec;
  Shape x, w, y;
};

// Passes every call on and notes the forward ones.
class Recorder : public ConvolutionKernels {
 public:
  Recorder(ConvolutionKernels& inner, std::vector<Call>& calls) : inner_(inner), calls_(calls) {}
  void conv3d_forward(const Conv3dSpec& s, ConstView x, ConstView w, ConstView b, View y) override {
    note({Kind::conv, s, x.shape, w.shape, y.shape});
    inner_.conv3d_forward(s, x, w, b, y);
  }
  void conv3d_backward_data(const Conv3dSpec& s, ConstView dy, ConstView w, View dx, Accum a) override {
    inner_.conv3d_backward_data(s, dy, w, dx, a);
  }
  void conv3d_backward_weights(const Conv3dSpec& s, ConstView x, ConstView dy, View dw, Accum a) override {
    inner_.conv3d_backward_weights(s, x, dy, dw, a);
  }
  void conv_transpose3d_forward(const Conv3dSpec& s, ConstView x, ConstView w, ConstView b, View y) override {
    note({Kind::transposed, s, x.shape, w.shape, y.shape});
    inner_.conv_transpose3d_forward(s, x, w, b, y);
  }
  void conv_transpose3d_backward_data(const Conv3dSpec& s, ConstView dy, ConstView w, View dx,
                                      Accum a) override {
    inner_.conv_transpose3d_backward_data(s, dy, w, dx, a);
  }
  void conv_transpose3d_backward_weights(const Conv3dSpec& s, ConstView x, ConstView dy, View dw,
                                         Accum a) override {
    inner_.conv_transpose3d_backward_weights(s, x, dy, dw, a);
  }
  void pointwise_conv_forward(ConstView x, ConstView s, ConstView w, ConstView b, View y) override {
    note({Kind::pointwise, {}, x.shape, w.shape, y.shape});
    inner_.pointwise_conv_forward(x, s, w, b, y);
  }
  void pointwise_conv_backward_data(ConstView dy, ConstView s, ConstView w, View dx, Accum a) override {
    inner_.pointwise_conv_backward_data(dy, s, w, dx, a);
  }
  void pointwise_conv_backward_weights(ConstView x, ConstView s, ConstView dy, View dw, Accum a) override {
    inner_.pointwise_conv_backward_weights(x, s, dy, dw, a);
  }
  void bias_backward(ConstView dy, View db, Accum a) override { inner_.bias_backward(dy, db, a); }
  std::string implementation(ConvPass pass, const Conv3dSpec& s, const Shape& x, const Shape& w,
                             DType type) override {
    return inner_.implementation(pass, s, x, w, type);
  }

 private:
  void note(const Call& call) {
    for (const Call& known : calls_) {
      if (known.kind == call.kind && known.spec == call.spec && known.x == call.x && known.w == call.w)
        return;
    }
    calls_.push_back(call);
  }
  ConvolutionKernels& inner_;
  std::vector<Call>& calls_;
};

Tensor random_tensor(Backend& backend, const Shape& shape, std::uint32_t number) {
  Tensor tensor = backend.empty(shape, DType::f32, "selftest");
  const PhiloxKey key{0, Stream::test, 0, number, 0, 0};
  std::span<float> values = tensor.span<float>();
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = 2.0f * draw_uniform(key, 0, i) - 1.0f;
  return tensor;
}

struct Results {
  Tensor y, dx, dw;
};

Results run(Backend& backend, const Call& call) {
  const Tensor x = random_tensor(backend, call.x, 0), w = random_tensor(backend, call.w, 1);
  const Tensor dy = random_tensor(backend, call.y, 2);
  Results r{backend.empty(call.y, DType::f32), backend.empty(call.x, DType::f32),
            backend.empty(call.w, DType::f32)};
  ConvolutionKernels& k = *backend.convolution;
  switch (call.kind) {
    case Kind::conv:
      k.conv3d_forward(call.spec, x.cview(), w.cview(), {}, r.y.view());
      k.conv3d_backward_data(call.spec, dy.cview(), w.cview(), r.dx.view(), Accum::write);
      k.conv3d_backward_weights(call.spec, x.cview(), dy.cview(), r.dw.view(), Accum::write);
      break;
    case Kind::transposed:
      k.conv_transpose3d_forward(call.spec, x.cview(), w.cview(), {}, r.y.view());
      k.conv_transpose3d_backward_data(call.spec, dy.cview(), w.cview(), r.dx.view(), Accum::write);
      k.conv_transpose3d_backward_weights(call.spec, x.cview(), dy.cview(), r.dw.view(), Accum::write);
      break;
    case Kind::pointwise:
      k.pointwise_conv_forward(x.cview(), {}, w.cview(), {}, r.y.view());
      k.pointwise_conv_backward_data(dy.cview(), {}, w.cview(), r.dx.view(), Accum::write);
      k.pointwise_conv_backward_weights(x.cview(), {}, dy.cview(), r.dw.view(), Accum::write);
      break;
  }
  return r;
}

double difference(const Tensor& a, const Tensor& reference) {
  double worst = 0, largest = 0;
  const float* p = a.data<float>();
  const float* q = reference.data<float>();
  for (Index i = 0; i < a.elements(); ++i) {
    const double d = std::fabs(static_cast<double>(p[i]) - q[i]);
    worst = d > worst || d != d ? d : worst;  // a NaN stays
    largest = std::max(largest, std::fabs(static_cast<double>(q[i])));
  }
  return largest > 0 ? worst / largest : worst;
}

}  // namespace

std::vector<ConvolutionCheck> check_convolutions(Backend& backend, Backend& reference,
                                                 const NetworkConfig& model, const Triple& patch) {
  const NoGrad no_grad;
  std::vector<Call> calls;
  auto network = make_network(backend, model, 0, 0);
  auto inner = std::move(backend.convolution);
  backend.convolution = std::make_unique<Recorder>(*inner, calls);
  try {
    ForwardContext context{backend};
    network->forward(context, Var::constant(random_tensor(
                                  backend, {1, patch[0], patch[1], patch[2], model.input_channels}, 3)));
  } catch (...) {
    backend.convolution = std::move(inner);
    throw;
  }
  backend.convolution = std::move(inner);

  std::vector<ConvolutionCheck> checks;
  for (const Call& call : calls) {
    const Results ours = run(backend, call), theirs = run(reference, call);
    ConvolutionCheck check{call.kind == Kind::conv         ? "conv"
                           : call.kind == Kind::transposed ? "conv_transpose"
                                                           : "pointwise",
                           call.x,
                           call.w,
                           "",
                           difference(ours.y, theirs.y),
                           difference(ours.dx, theirs.dx),
                           difference(ours.dw, theirs.dw),
                           false};
    if (call.kind == Kind::conv)
      check.implementation = backend.convolution->implementation(ConvPass::forward, call.spec, call.x, call.w, DType::f32);
    constexpr double kTolerance = 1e-4;
    check.passed = check.forward <= kTolerance && check.data <= kTolerance && check.weights <= kTolerance;
    checks.push_back(check);
  }
  return checks;
}

}  // namespace duet

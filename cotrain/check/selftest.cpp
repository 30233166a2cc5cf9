#include "cotrain/check/selftest.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "engine/autograd/node.h"
#include "engine/core/bf16.h"
#include "engine/core/philox.h"

namespace duet {
namespace {

enum class Kind { conv, transposed, pointwise };
constexpr Conv3dSpec kPointwise{{1, 1, 1}, {1, 1, 1}, {0, 0, 0}};

struct Call {
  Kind kind;
  Conv3dSpec spec;
  Shape x, w, y;
  DType x_type, y_type;  // a head makes f32 of bf16
};

// Passes every call on and notes the forward ones.
class Recorder : public ConvolutionKernels {
 public:
  Recorder(ConvolutionKernels& inner, std::vector<Call>& calls) : inner_(inner), calls_(calls) {}
  void conv3d_forward(const Conv3dSpec& s, ConstView x, ConstView w, ConstView b, View y) override {
    note({Kind::conv, s, x.shape, w.shape, y.shape, x.dtype, y.dtype});
    inner_.conv3d_forward(s, x, w, b, y);
  }
  void conv3d_backward_data(const Conv3dSpec& s, ConstView dy, ConstView w, View dx, Accum a) override {
    inner_.conv3d_backward_data(s, dy, w, dx, a);
  }
  void conv3d_backward_weights(const Conv3dSpec& s, ConstView x, ConstView dy, View dw, Accum a) override {
    inner_.conv3d_backward_weights(s, x, dy, dw, a);
  }
  void conv_transpose3d_forward(const Conv3dSpec& s, ConstView x, ConstView w, ConstView b, View y) override {
    note({Kind::transposed, s, x.shape, w.shape, y.shape, x.dtype, y.dtype});
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
    note({Kind::pointwise, kPointwise, x.shape, w.shape, y.shape, x.dtype, y.dtype});
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

float rounded(float value, DType type) {
  return type == DType::bf16 ? static_cast<float>(bf16(value)) : value;
}

// Values in [-1, 1), rounded to `values`, kept as `stored`.
Tensor random_tensor(Backend& backend, const Shape& shape, std::uint32_t number, DType values, DType stored) {
  const Tensor tensor(backend.host, shape, stored, "selftest");
  const PhiloxKey key{0, Stream::test, 0, number, 0, 0};
  for (Index i = 0; i < tensor.elements(); ++i) {
    const float value = rounded(2.0f * draw_uniform(key, 0, static_cast<std::uint64_t>(i)) - 1.0f, values);
    if (stored == DType::bf16) {
      tensor.data<bf16>()[i] = bf16(value);
    } else {
      tensor.data<float>()[i] = value;
    }
  }
  return moved_to(backend.memory, tensor);
}

struct Results {
  Tensor y, dx, dw;
};

// widened: the same values, but everything f32.
Results run(Backend& backend, const Call& call, bool widened) {
  const DType x_type = widened ? DType::f32 : call.x_type, y_type = widened ? DType::f32 : call.y_type;
  const Tensor x = random_tensor(backend, call.x, 0, call.x_type, x_type);
  const Tensor w = random_tensor(backend, call.w, 1, DType::f32, DType::f32);
  const Tensor dy = random_tensor(backend, call.y, 2, call.y_type, y_type);
  Results r{backend.empty(call.y, y_type), backend.empty(call.x, x_type), backend.empty(call.w, DType::f32)};
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
  const std::vector<double> p = to_values(a), q = to_values(reference);
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double d = std::fabs(p[i] - q[i]);
    worst = d > worst || d != d ? d : worst;  // a NaN stays
    largest = std::max(largest, std::fabs(q[i]));
  }
  return largest > 0 ? worst / largest : worst;
}

// A transposed convolution is the data gradient of the convolution from its output to its input.
std::string implementation(Backend& backend, const Call& call, ConvPass pass) {
  ConvolutionKernels& kernels = *backend.convolution;
  if (call.kind != Kind::transposed)
    return kernels.implementation(pass, call.spec, call.x, call.w, call.x_type);
  const ConvPass other = pass == ConvPass::forward ? ConvPass::data
                         : pass == ConvPass::data  ? ConvPass::forward
                                                   : ConvPass::weights;
  return kernels.implementation(other, call.spec, call.y, call.w, call.x_type);
}

const char* name_of(Kind kind) {
  return kind == Kind::conv ? "conv" : kind == Kind::transposed ? "conv_transpose" : "pointwise";
}

// One forward of the network tells which convolutions it runs; adds those that are not among `calls`.
void add_calls(Backend& backend, const NetworkConfig& model, const Triple& patch, bool bf16,
               std::vector<Call>& calls) {
  const auto network = make_network(backend, model, 0, 0);
  const Tensor image = random_tensor(backend, {1, patch[0], patch[1], patch[2], model.input_channels}, 3,
                                     DType::f32, DType::f32);
  ForwardContext context{backend};
  context.bf16 = bf16;
  auto inner = std::move(backend.convolution);
  backend.convolution = std::make_unique<Recorder>(*inner, calls);
  try {
    network->forward(context, Var::constant(image));
  } catch (...) {
    backend.convolution = std::move(inner);
    throw;
  }
  backend.convolution = std::move(inner);
}

}  // namespace

std::vector<ConvolutionCheck> check_convolutions(Backend& backend, Backend& reference,
                                                 std::span<const NetworkConfig> models, const Triple& patch,
                                                 bool bf16) {
  const NoGrad no_grad;
  const double tolerance = selftest_tolerance(bf16);
  std::vector<ConvolutionCheck> checks;
  std::vector<Call> calls;
  for (const NetworkConfig& model : models) add_calls(backend, model, patch, bf16, calls);
  for (const Call& call : calls) {
    const Results ours = run(backend, call, false), theirs = run(reference, call, true);
    const auto pass = [&](ConvPass which, const Tensor& a, const Tensor& b) {
      return PassCheck{difference(a, b), implementation(backend, call, which)};
    };
    ConvolutionCheck check{name_of(call.kind),
                           call.x,
                           call.w,
                           pass(ConvPass::forward, ours.y, theirs.y),
                           pass(ConvPass::data, ours.dx, theirs.dx),
                           pass(ConvPass::weights, ours.dw, theirs.dw),
                           true};
    for (const PassCheck* each : {&check.forward, &check.data, &check.weights})
      check.passed = check.passed && each->difference <= tolerance;
    checks.push_back(check);
  }
  return checks;
}

}  // namespace duet

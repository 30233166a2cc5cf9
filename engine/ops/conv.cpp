#include "engine/ops/conv.h"

#include "engine/autograd/backward.h"
#include "engine/ops/unchanged.h"

namespace duet {
namespace {

void check_operands(const char* op, const Var& x, const Var& w, const Var& b, Index channels) {
  DUET_CHECK(x && w, op, ": input or weights are missing");
  DUET_CHECK(w.dtype() == master_type(x.dtype()) && (!b || b.dtype() == w.dtype()), op, ": weights of ",
             name_of(w.dtype()), " do not go with an input of ", name_of(x.dtype()));
  DUET_CHECK(!b || b.shape() == Shape::vector(channels), op, ": bias ", b.shape(), " should be ",
             Shape::vector(channels));
}

void bias_gradient(Backend& backend, const Var& b, const Tensor& dy, NodeGradients& gradients) {
  if (!b) return;
  gradients.into_segments(2, dy.shape().n, [&](View db, Accum accum, Index begin, Index end) {
    backend.convolution->bias_backward(dy.cview().samples(begin, end), db, accum);
  });
}

bool is_pointwise(const Conv3dSpec& spec) {
  return spec.kernel == Triple{1, 1, 1} && spec.stride == Triple{1, 1, 1} && spec.padding == Triple{0, 0, 0};
}

}  // namespace

Var conv3d(Backend& backend, const Conv3dSpec& spec, const Var& x, const Var& w, const Var& b) {
  if (is_pointwise(spec)) return pointwise_conv(backend, x, w, b, x.dtype(), nullptr);
  check_operands("conv3d", x, w, b, w.shape().n);
  const Shape shape = conv3d_output_shape(spec, x.shape(), w.shape());
  Tensor y = backend.empty(shape, x.dtype(), "conv3d");
  backend.work.conv_samples += static_cast<unsigned long long>(shape.n);
  backend.convolution->conv3d_forward(spec, x.view(), w.view(), b.view(), y.view());
  return record(
      "conv3d", y, {x, w, b},
      [&backend, spec, x = x.saved(), w = Unchanged(w), b = b.detach()](const Tensor& dy,
                                                                        NodeGradients& gradients) {
        // Weights first: x, where it is made again for them, is gone before dx is there.
        if (gradients.wanted(1)) {
          const Tensor in = x.get();
          gradients.into_segments(1, dy.shape().n, [&](View dw, Accum accum, Index begin, Index end) {
            backend.convolution->conv3d_backward_weights(spec, in.cview().samples(begin, end),
                                                         dy.cview().samples(begin, end), dw, accum);
          });
        }
        bias_gradient(backend, b, dy, gradients);
        gradients.into(0, [&](View dx, Accum accum) {
          backend.convolution->conv3d_backward_data(spec, dy.cview(), w.view("conv3d"), dx, accum);
        });
      });
}

Var pointwise_conv(Backend& backend, const Var& x, const Var& w, const Var& b, DType output,
                   const DropoutSpec* dropout) {
  check_operands("conv3d", x, w, b, w.shape().n);
  const Shape shape = conv3d_output_shape({{1, 1, 1}, {1, 1, 1}, {0, 0, 0}}, x.shape(), w.shape());
  DUET_CHECK(output == x.dtype() || output == w.dtype(), "conv3d: output of ", name_of(output));
  Tensor scale;
  if (dropout) {
    scale = backend.empty({x.shape().n, 1, 1, 1, x.shape().c}, w.dtype(), "dropout");
    backend.pointwise->dropout_factors(*dropout, scale.view());
  }
  Tensor y = backend.empty(shape, output, "conv3d");
  backend.work.conv_samples += static_cast<unsigned long long>(shape.n);
  backend.convolution->pointwise_conv_forward(x.view(), scale.cview(), w.view(), b.view(), y.view());
  return record(
      dropout ? "dropout_conv3d" : "conv3d", y, {x, w, b},
      [&backend, scale, x = x.saved(), w = Unchanged(w), b = b.detach()](const Tensor& dy,
                                                                         NodeGradients& gradients) {
        ConvolutionKernels& kernels = *backend.convolution;
        if (gradients.wanted(1)) {
          const Tensor in = x.get();
          gradients.into_segments(1, dy.shape().n, [&](View dw, Accum accum, Index begin, Index end) {
            const ConstView factors = scale ? scale.cview().samples(begin, end) : ConstView();
            kernels.pointwise_conv_backward_weights(in.cview().samples(begin, end), factors,
                                                    dy.cview().samples(begin, end), dw, accum);
          });
        }
        bias_gradient(backend, b, dy, gradients);
        gradients.into(0, [&](View dx, Accum accum) {
          kernels.pointwise_conv_backward_data(dy.cview(), scale.cview(), w.view("conv3d"), dx, accum);
        });
      });
}

Var conv_transpose3d(Backend& backend, const Conv3dSpec& spec, const Var& x, const Var& w, const Var& b) {
  check_operands("conv_transpose3d", x, w, b, w.shape().c);
  const Shape shape = conv_transpose3d_output_shape(spec, x.shape(), w.shape());
  Tensor y = backend.empty(shape, x.dtype(), "conv_transpose3d");
  backend.work.conv_samples += static_cast<unsigned long long>(shape.n);
  backend.convolution->conv_transpose3d_forward(spec, x.view(), w.view(), b.view(), y.view());
  return record(
      "conv_transpose3d", y, {x, w, b},
      [&backend, spec, x = x.saved(), w = Unchanged(w), b = b.detach()](const Tensor& dy,
                                                                        NodeGradients& gradients) {
        ConvolutionKernels& kernels = *backend.convolution;
        if (gradients.wanted(1)) {
          const Tensor in = x.get();
          gradients.into_segments(1, dy.shape().n, [&](View dw, Accum accum, Index begin, Index end) {
            kernels.conv_transpose3d_backward_weights(spec, in.cview().samples(begin, end),
                                                      dy.cview().samples(begin, end), dw, accum);
          });
        }
        bias_gradient(backend, b, dy, gradients);
        gradients.into(0, [&](View dx, Accum accum) {
          kernels.conv_transpose3d_backward_data(spec, dy.cview(), w.view("conv_transpose3d"), dx, accum);
        });
      });
}

}  // namespace duet

#include "engine/ops/conv.h"

#include "engine/autograd/backward.h"

namespace duet {
namespace {

void check_operands(const char* op, const Var& x, const Var& w, const Var& b, Index channels) {
  DUET_CHECK(x && w, op, ": input or weights are missing");
  DUET_CHECK(x.dtype() == w.dtype() && (!b || b.dtype() == x.dtype()), op,
             ": input, weights and bias differ in type");
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
  check_operands("conv3d", x, w, b, w.shape().n);
  const Shape shape = conv3d_output_shape(spec, x.shape(), w.shape());
  Tensor y = backend.empty(shape, x.dtype(), "conv3d");
  backend.work.conv_samples += static_cast<unsigned long long>(shape.n);
  const bool pointwise = is_pointwise(spec);
  if (pointwise) {
    backend.convolution->pointwise_conv_forward(x.view(), w.view(), b.view(), y.view());
  } else {
    backend.convolution->conv3d_forward(spec, x.view(), w.view(), b.view(), y.view());
  }
  return record("conv3d", y, {x, w, b},
                [&backend, spec, pointwise, x = x.detach(), w = w.detach(), b = b.detach()](
                    const Tensor& dy, NodeGradients& gradients) {
                  ConvolutionKernels& kernels = *backend.convolution;
                  gradients.into(0, [&](View dx, Accum accum) {
                    if (pointwise) {
                      kernels.pointwise_conv_backward_data(dy.cview(), w.view(), dx, accum);
                    } else {
                      kernels.conv3d_backward_data(spec, dy.cview(), w.view(), dx, accum);
                    }
                  });
                  gradients.into_segments(1, dy.shape().n, [&](View dw, Accum accum, Index begin, Index end) {
                    const ConstView x_part = x.view().samples(begin, end),
                                    dy_part = dy.cview().samples(begin, end);
                    if (pointwise) {
                      kernels.pointwise_conv_backward_weights(x_part, dy_part, dw, accum);
                    } else {
                      kernels.conv3d_backward_weights(spec, x_part, dy_part, dw, accum);
                    }
                  });
                  bias_gradient(backend, b, dy, gradients);
                });
}

Var conv_transpose3d(Backend& backend, const Conv3dSpec& spec, const Var& x, const Var& w, const Var& b) {
  check_operands("conv_transpose3d", x, w, b, w.shape().c);
  const Shape shape = conv_transpose3d_output_shape(spec, x.shape(), w.shape());
  Tensor y = backend.empty(shape, x.dtype(), "conv_transpose3d");
  backend.work.conv_samples += static_cast<unsigned long long>(shape.n);
  backend.convolution->conv_transpose3d_forward(spec, x.view(), w.view(), b.view(), y.view());
  return record("conv_transpose3d", y, {x, w, b},
                [&backend, spec, x = x.detach(), w = w.detach(), b = b.detach()](const Tensor& dy,
                                                                                 NodeGradients& gradients) {
                  ConvolutionKernels& kernels = *backend.convolution;
                  gradients.into(0, [&](View dx, Accum accum) {
                    kernels.conv_transpose3d_backward_data(spec, dy.cview(), w.view(), dx, accum);
                  });
                  gradients.into_segments(1, dy.shape().n, [&](View dw, Accum accum, Index begin, Index end) {
                    kernels.conv_transpose3d_backward_weights(spec, x.view().samples(begin, end),
                                                              dy.cview().samples(begin, end), dw, accum);
                  });
                  bias_gradient(backend, b, dy, gradients);
                });
}

}  // namespace duet

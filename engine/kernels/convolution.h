// Contract: convolution, transposed convolution and bias. Called by engine/ops; fulfilled by each backend.
// Layouts: x (N, D, H, W, Ci), w (Co, kD, kH, kW, Ci), b (1,1,1,1,Co), y (N, D', H', W', Co). f32 or f64, all
// of one type; or activations in bf16 beside w, b, dw, db in f32 (y of a 1x1x1 convolution may be f32 then,
// too). D' = (D + 2 pad - k) / stride + 1, likewise H', W'. 2D is D = 1 with kD = 1. No output aliases an
// input. y[n,o,c'] = b[c'] + sum over k, c of x[n, o*stride - pad + k, c] w[c',k,c] (cross-correlation, zeros
// outside).
#pragma once

#include <compare>
#include <string>

#include "engine/kernels/accum.h"
#include "engine/tensor/view.h"

namespace duet {

// Also the key of the plan cache, together with the shapes.
struct Conv3dSpec {
  Triple kernel{3, 3, 3};
  Triple stride{1, 1, 1};
  Triple padding{1, 1, 1};

  friend auto operator<=>(const Conv3dSpec&, const Conv3dSpec&) = default;
};

// Shape of y for x (N,D,H,W,Ci) and w (Co,kD,kH,kW,Ci); throws EngineError naming both when they do not fit.
Shape conv3d_output_shape(const Conv3dSpec& spec, const Shape& x, const Shape& w);
// Shape of y for x (N,D,H,W,Ci) and w (Ci,kD,kH,kW,Co): (D - 1) stride - 2 pad + k. The transpose of the
// convolution with the same spec and w, from Co to Ci channels.
Shape conv_transpose3d_output_shape(const Conv3dSpec& spec, const Shape& x, const Shape& w);

enum class ConvPass { forward, data, weights };

struct PlanCounters {
  unsigned long long hits = 0, misses = 0;
};

class ConvolutionKernels {
 public:
  virtual ~ConvolutionKernels() = default;

  // Writes y. b may be empty.
  virtual void conv3d_forward(const Conv3dSpec&, ConstView x, ConstView w, ConstView b, View y) = 0;
  // dx = or += the gradient of y towards x.
  virtual void conv3d_backward_data(const Conv3dSpec&, ConstView dy, ConstView w, View dx, Accum) = 0;
  // dw = or += the gradient of y towards w, summed over the samples given (a segment of the batch for lanes).
  virtual void conv3d_backward_weights(const Conv3dSpec&, ConstView x, ConstView dy, View dw, Accum) = 0;

  // Transposed convolution, w (Ci, kD, kH, kW, Co), y (N, D', H', W', Co). b may be empty.
  virtual void conv_transpose3d_forward(const Conv3dSpec&, ConstView x, ConstView w, ConstView b, View y) = 0;
  virtual void conv_transpose3d_backward_data(const Conv3dSpec&, ConstView dy, ConstView w, View dx,
                                              Accum) = 0;
  virtual void conv_transpose3d_backward_weights(const Conv3dSpec&, ConstView x, ConstView dy, View dw,
                                                 Accum) = 0;

  // The 1x1x1 convolution of stride 1 as a matrix product: x (rows, Ci), w (Co,1,1,1,Ci), y (rows, Co). scale
  // (N,1,1,1,Ci) of w's type may be empty: factors of x, a sample and channel, such as those of channel
  // dropout; dx has them, too.
  virtual void pointwise_conv_forward(ConstView x, ConstView scale, ConstView w, ConstView b, View y) = 0;
  virtual void pointwise_conv_backward_data(ConstView dy, ConstView scale, ConstView w, View dx, Accum) = 0;
  virtual void pointwise_conv_backward_weights(ConstView x, ConstView scale, ConstView dy, View dw,
                                               Accum) = 0;

  // db (1,1,1,1,C) = or += sum over rows of dy.
  virtual void bias_backward(ConstView dy, View db, Accum) = 0;

  // Gives back the copies of weights that are kept between calls (packed, in bf16) and made again where they
  // are used: for whoever is done with a network, as its copies would stay until 1 GiB of them are kept.
  virtual void forget_weights() {}

  // Descriptors, algorithms and scratch sizes are cached by spec and shapes; a miss after the first step is a
  // bug.
  virtual PlanCounters plan_counters() const { return {}; }
  // The implementation that a pass of the convolution x (N,D,H,W,Ci), w (Co,kD,kH,kW,Ci) runs, as the library
  // names it. The transposed convolution with the same spec and w runs `data` forward and `forward` for its
  // data gradient, x being its output.
  virtual std::string implementation(ConvPass, const Conv3dSpec&, const Shape& x, const Shape& w,
                                     DType activations) = 0;
};

}  // namespace duet

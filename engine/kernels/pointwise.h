// Contract: what acts on each element alone. Called by engine/ops. Shapes of all arguments are equal unless
// said; f32, f64 or bf16 (then slopes and factors are f32). The scalar functions behind these are the
// functors in functors.h, compiled for every backend.
#pragma once

#include "engine/core/philox.h"
#include "engine/kernels/accum.h"
#include "engine/tensor/view.h"

namespace duet {

// Dropout of elements or of whole channels (one draw a sample and channel): y = keep ? x / (1 - p) : 0.
// The mask of a sample depends on key, pass and its place in the original batch only: sample n of x is place
// first_sample + n % batch of pass key.pass + n / batch, so folding passes into one batch changes nothing.
struct DropoutSpec {
  PhiloxKey key;  // stream dropout, network, layer, step, first pass
  double p = 0.5;
  bool channels = true;
  Index batch = 0;  // samples of one pass; 0: all of x is one pass
  Index first_sample = 0;
};

class PointwiseKernels {
 public:
  virtual ~PointwiseKernels() = default;

  virtual void fill(View y, double value) = 0;  // any type
  // y = x in y's type.
  virtual void convert(ConstView x, View y) = 0;
  // y = or += factor * x. May alias when written.
  virtual void scale(ConstView x, double factor, View y, Accum) = 0;
  // y = or += factor[0] * x, factor a scalar tensor of x's type.
  virtual void scale_by(ConstView x, ConstView factor, View y, Accum) = 0;
  virtual void add(ConstView a, ConstView b, View y) = 0;  // may alias
  virtual void multiply(ConstView a, ConstView b, View y, Accum) = 0;

  // slope 0 is ReLU, otherwise leaky ReLU (slope > 0). y may alias x.
  virtual void leaky_relu_forward(ConstView x, double slope, View y) = 0;
  // From the output: dx = or += dy * (y > 0 ? 1 : slope). dx may alias dy when written.
  virtual void leaky_relu_backward(ConstView y, ConstView dy, double slope, View dx, Accum) = 0;
  // PReLU (He et al. 2015), slope (1,1,1,1,C) or one value (1,1,1,1,1): y = x > 0 ? x : slope x.
  virtual void prelu_forward(ConstView x, ConstView slope, View y) = 0;
  virtual void prelu_backward_data(ConstView x, ConstView dy, ConstView slope, View dx, Accum) = 0;
  virtual void prelu_backward_slope(ConstView x, ConstView dy, View dslope, Accum) = 0;

  // y = or += x under the mask; the backward is the same call on dy. May alias when written.
  virtual void dropout(const DropoutSpec&, ConstView x, View y, Accum) = 0;
  // Of dropout of channels, factors (N,1,1,1,C) = keep ? 1 / (1 - p) : 0, f32 or f64: for kernels that apply
  // them on the way.
  virtual void dropout_factors(const DropoutSpec&, View factors) = 0;
};

}  // namespace duet

// oneDNN's primitives for a convolution, behind functions that are the same for oneDNN 2.x and 3.x: the
// differences between the two stand in api.cpp and nowhere else. Called by plans.cpp. Activations are dense
// NDHWC; weights lie as the primitive likes best and are packed from our (Co,kD,kH,kW,Ci).
#pragma once

#include <oneapi/dnnl/dnnl.hpp>
#include <string>

#include "engine/kernels/convolution.h"

namespace duet::onednn {

// The convolution x (N,D,H,W,Ci) -> y (N,D',H',W',Co) under w (Co,kD,kH,kW,Ci), whichever pass of it is run.
struct Problem {
  Conv3dSpec spec;
  Shape x, w, y;
  DType type = DType::f32;  // of activations and their gradients; or bf16. Bias and dw are f32 with both.
};

// A primitive and what it is run on. Scratch is the caller's.
struct Built {
  dnnl::primitive primitive;
  dnnl::memory::desc x, weights, y, bias, scratch;
  std::string implementation;
};

dnnl::memory::desc activation_desc(const Shape& x, DType type);
dnnl::memory::desc plain_weights_desc(const Shape& w);  // f32, as parameters are

dnnl::memory::desc transformed_weights_desc(const Shape& w);  // as many floats as winograd.h takes for them

// DNNL_ARG_SRC, WEIGHTS, BIAS where asked for, DST. `add`: y += instead of y =.
Built build_forward(const dnnl::engine&, const Problem&, bool bias, bool add);
// DNNL_ARG_DIFF_DST, WEIGHTS, DIFF_SRC.
Built build_backward_data(const dnnl::engine&, const Problem&);
// DNNL_ARG_SRC, DIFF_DST, DIFF_WEIGHTS.
Built build_backward_weights(const dnnl::engine&, const Problem&);
// Any pass in f32 or bf16, activations NDHWC or (`blocked`) as the primitive likes best; to be timed alone.
Built build_alone(const dnnl::engine&, ConvPass, const Problem&, bool bf16, bool blocked);
// DNNL_ARG_FROM, TO. `add`: to += from. Fills scratch and implementation only.
Built build_reorder(const dnnl::engine&, const dnnl::memory::desc& from, const dnnl::memory::desc& to,
                    bool add);

// "oneDNN 2.6.3 (avx512_core)".
std::string version();
// Whether the processor multiplies bf16 (and oneDNN may use it): without, bf16 is slower than f32 or missing.
bool has_bf16();

}  // namespace duet::onednn

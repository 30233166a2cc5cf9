// Convolutions that record. Layouts and formulas: engine/kernels/convolution.h. Errors are EngineErrors that
// name the op and both shapes. x may be bf16 beside f32 weights. Weights and bias may be parameters with
// lanes.
#pragma once

#include "engine/autograd/var.h"
#include "engine/kernels/backend.h"

namespace duet {

// x (N,D,H,W,Ci), w (Co,kD,kH,kW,Ci), b (1,1,1,1,Co) or empty -> (N,D',H',W',Co).
// A 1x1x1 kernel with stride 1 and no padding runs as a matrix product.
Var conv3d(Backend& backend, const Conv3dSpec& spec, const Var& x, const Var& w, const Var& b = {});

// The 1x1x1 convolution, w (Co,1,1,1,Ci), with an output of x's type or of w's (logits stay f32 where
// activations are bf16), and with dropout of x's whole channels done on the way where a spec is given.
Var pointwise_conv(Backend& backend, const Var& x, const Var& w, const Var& b, DType output,
                   const DropoutSpec* dropout);

// x (N,D,H,W,Ci), w (Ci,kD,kH,kW,Co), b (1,1,1,1,Co) or empty -> (N, (D-1) stride - 2 pad + k, ..., Co).
Var conv_transpose3d(Backend& backend, const Conv3dSpec& spec, const Var& x, const Var& w, const Var& b = {});

}  // namespace duet

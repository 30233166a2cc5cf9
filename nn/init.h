// First values of weights. Called by nn/layers; a value depends on (seed, network, layer, element) alone.
#pragma once

#include "engine/kernels/backend.h"
#include "nn/network.h"

namespace duet {

// How many products one output sums, and into how many outputs one input goes (away from borders).
// A transposed 2x2x2 convolution of stride 2 sums Ci products an output: PyTorch's fan_in there is another
// number.
struct Fan {
  Index in = 1, out = 1;
};

// kaiming: N(0, 2 / in) (He et al. 2015); xavier: N(0, 2 / (in + out)) (Glorot & Bengio 2010).
double initial_deviation(Initialisation kind, const Fan& fan);

// Normal draws from key (stream init), element by element in the order of the shape. dtype f32 or f64.
Tensor draw_weights(Backend& backend, const Shape& shape, DType dtype, double deviation,
                    const PhiloxKey& key);

}  // namespace duet

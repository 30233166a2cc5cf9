// Compares what the library makes of a convolution with own kernels in f32, on the very shapes and types of
// the call: for versions known to err (calls.h). Called by convolution.cpp at the first use of a plan.
#pragma once

#include <optional>

#include "engine/backend/cuda/cuda.h"

namespace duet::cuda {

// Runs the call on operands of its own, drawn for it and aligned as the call's, and waits for the device.
// Empty where there is no memory for them; Error(device) then where runs are to repeat each other.
std::optional<bool> agrees(const Room&, const ConvCall&);

}  // namespace duet::cuda

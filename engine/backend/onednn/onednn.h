// The CPU room: convolutions by oneDNN (f32), everything else by the reference loops. Called by
// engine/backend/table.cpp and by the bench. One thread calls a backend at a time; the work inside is spread
// over OpenMP threads. Tensors given to it come from its own allocator (Backend::empty), whose versions name
// the contents of weights.
#pragma once

#include <memory>
#include <string>

#include "engine/kernels/backend.h"

namespace duet {

std::unique_ptr<Backend> make_onednn_backend();

// "oneDNN 2.6.3 (avx512_core_vnni)": version and the instruction set it runs.
std::string onednn_version();

// What ConvolutionKernels::implementation of this backend says, without a backend.
std::string onednn_implementation(ConvPass, const Conv3dSpec&, const Shape& x, const Shape& w,
                                  DType activations = DType::f32);

}  // namespace duet

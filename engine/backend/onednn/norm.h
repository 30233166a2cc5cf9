// Normalisation of the CPU room: the contract of engine/kernels/norm.h in one pass for the statistics, one
// for the output with activation and skip, two for the backward. f32 and bf16; what it does not take (f64,
// odd numbers of channels, groups) goes to the reference.
#pragma once

#include <memory>

#include "engine/kernels/norm.h"
#include "engine/memory/allocator.h"

namespace duet::onednn {

std::unique_ptr<NormKernels> make_norm(const std::shared_ptr<Allocator>& memory,
                                       std::unique_ptr<NormKernels> reference);

}  // namespace duet::onednn

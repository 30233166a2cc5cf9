// Dropout, a part of the reference PointwiseKernels (pointwise.cpp).
#pragma once

#include <memory>

#include "engine/kernels/pointwise.h"
#include "engine/memory/allocator.h"

namespace duet::ref {

void dropout(const std::shared_ptr<Allocator>& memory, const DropoutSpec& spec, ConstView x, View y,
             Accum accum);

void dropout_factors(const DropoutSpec& spec, View factors);

}  // namespace duet::ref

// Pooling of the CPU room: the maxima of windows that neither overlap nor leave a rest, as the U-Net's, in
// vectors over channels; f32 and bf16. All else of the contract of engine/kernels/region.h goes to the
// reference.
#pragma once

#include <memory>

#include "engine/kernels/region.h"

namespace duet::onednn {

// Whether the loops here take the maxima of an x of this shape and type.
bool fits_pool(const PoolSpec& spec, const Shape& x, DType type);

std::unique_ptr<RegionKernels> make_region(std::unique_ptr<RegionKernels> reference);

}  // namespace duet::onednn

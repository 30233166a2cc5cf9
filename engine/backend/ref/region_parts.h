// The free functions behind the RegionKernels of region.cpp: pool.cpp and upsample.cpp. Private to this
// folder. Contracts as in engine/kernels/region.h.
#pragma once

#include "engine/kernels/region.h"

namespace duet::ref {

void max_pool_forward(const PoolSpec&, ConstView x, View y, View where);
void max_pool_backward(const PoolSpec&, ConstView dy, ConstView where, View dx, Accum);
void average_pool_forward(const PoolSpec&, ConstView x, View y);
void average_pool_backward(const PoolSpec&, ConstView dy, View dx, Accum);

void upsample_forward(UpsampleKind, const Triple& factor, ConstView x, View y);
void upsample_backward(UpsampleKind, const Triple& factor, ConstView dy, View dx, Accum);

}  // namespace duet::ref

// What copying, pooling and upsampling share: the launch over the packs of a tensor by position, and the free
// functions behind the RegionKernels of region.cu. Contracts as in engine/kernels/region.h.
#pragma once

#include "engine/backend/cuda/cuda.h"
#include "engine/backend/cuda/launch.h"
#include "engine/kernels/region.h"

namespace duet::cuda {

// Calls f.at<W>(position of the first channel, first element).
template <int W, class F>
struct InVoxels {
  static constexpr int kBlocks = W > 1 ? blocks_of<F>() : 0;
  F f;
  Unflatten packs;
  DUET_HOST_DEVICE void operator()(Index i) const {
    Position at = packs(i);
    at.c *= W;
    f.template at<W>(at, i * W);
  }
};

// Over all elements of a shape, W channels of a voxel at a time: 128 bits of T where `vectorised` (pointers
// aligned to 16 bytes) and the channels fill whole packs, else 1.
template <class T, class F>
void for_voxel_packs(Driver& driver, const char* name, const Shape& shape, bool vectorised, F f) {
  constexpr int W = kPack<T>;
  if (vectorised && shape.c % W == 0) {
    const Shape packs = shape.with_channels(shape.c / W);
    for_items(driver, name, packs.elements(), InVoxels<W, F>{f, Unflatten(packs)});
  } else {
    for_items(driver, name, shape.elements(), InVoxels<1, F>{f, Unflatten(shape)});
  }
}

// What sums start from: what is there, or zeros; what is written over is never read.
template <int W, class T>
DUET_HOST_DEVICE inline Pack<Compute<T>, W> first_sums(const T* y, Index first, Accum accum) {
  if (accum == Accum::add) return load<W>(y, first);
  Pack<Compute<T>, W> zeros;
  for (int i = 0; i < W; ++i) zeros.v[i] = Compute<T>(0);
  return zeros;
}

void max_pool_forward(const Room&, const PoolSpec&, ConstView x, View y, View where);
void max_pool_backward(const Room&, const PoolSpec&, ConstView dy, ConstView where, View dx, Accum);
void average_pool_forward(const Room&, const PoolSpec&, ConstView x, View y);
void average_pool_backward(const Room&, const PoolSpec&, ConstView dy, View dx, Accum);

void upsample_forward(const Room&, UpsampleKind, const Triple& factor, ConstView x, View y);
void upsample_backward(const Room&, UpsampleKind, const Triple& factor, ConstView dy, View dx, Accum);

}  // namespace duet::cuda

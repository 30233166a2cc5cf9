// Contract: moving and resampling boxes of a tensor: slice, concat, pad, pooling, upsampling. Called by
// engine/ops.
#pragma once

#include <array>

#include "engine/kernels/accum.h"
#include "engine/tensor/view.h"

namespace duet {

using Offset5 = std::array<Index, 5>;  // along N D H W C

struct PoolSpec {
  Triple kernel{2, 2, 2};
  Triple stride{2, 2, 2};
  Triple padding{0, 0, 0};  // below kernel; max ignores it, average counts it (as zeros)
};

// (D + 2 pad - k) / stride + 1 along each axis; throws EngineError when the window does not fit.
Shape pool_output_shape(const PoolSpec& spec, const Shape& x);

enum class UpsampleKind { nearest, trilinear };

class RegionKernels {
 public:
  virtual ~RegionKernels() = default;

  // Copies the box of `extent` at x_offset in x onto the one at y_offset in y, = or +=; the rest of y is
  // untouched.
  virtual void copy_region(ConstView x, const Offset5& x_offset, View y, const Offset5& y_offset,
                           const Shape& extent, Accum) = 0;

  // y (N,D',H',W',C), where (same shape, i32) = position of the maximum inside the window; first of equals.
  virtual void max_pool_forward(const PoolSpec&, ConstView x, View y, View where) = 0;
  virtual void max_pool_backward(const PoolSpec&, ConstView dy, ConstView where, View dx, Accum) = 0;
  virtual void average_pool_forward(const PoolSpec&, ConstView x, View y) = 0;
  virtual void average_pool_backward(const PoolSpec&, ConstView dy, View dx, Accum) = 0;

  // y sizes are x sizes times factor. Trilinear: samples at voxel centres (align_corners = false), clamped at
  // the border.
  virtual void upsample_forward(UpsampleKind, const Triple& factor, ConstView x, View y) = 0;
  virtual void upsample_backward(UpsampleKind, const Triple& factor, ConstView dy, View dx, Accum) = 0;
};

}  // namespace duet

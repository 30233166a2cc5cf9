// Positions and windows: which places of one tensor a window of another reads. For the convolutions of this
// folder. All indices are rows of a dense N D H W C tensor, a row being one position with its channels.
#pragma once

#include "engine/kernels/convolution.h"

namespace duet::ref {

struct Voxel {
  Index n, d, h, w;
};

inline Voxel voxel_of(const Shape& s, Index row) {
  return {row / s.voxels(), row / (s.h * s.w) % s.d, row / s.w % s.h, row % s.w};
}

inline Index row_of(const Shape& s, const Voxel& v) { return ((v.n * s.d + v.d) * s.h + v.h) * s.w + v.w; }

inline bool inside(Index position, Index size) { return position >= 0 && position < size; }

inline Index tap_of(const Triple& kernel, Index kd, Index kh, Index kw) {
  return (kd * kernel[1] + kh) * kernel[2] + kw;
}

// The window of output position o reads x at o * stride - padding + k. Calls body(tap, row of x) over the
// taps that are inside x, in (kd, kh, kw) order.
template <class Body>
void for_taps(const Conv3dSpec& spec, const Shape& x, const Voxel& o, const Body& body) {
  const auto& [kernel, stride, padding] = spec;
  for (Index kd = 0; kd < kernel[0]; ++kd) {
    const Index d = o.d * stride[0] - padding[0] + kd;
    if (!inside(d, x.d)) continue;
    for (Index kh = 0; kh < kernel[1]; ++kh) {
      const Index h = o.h * stride[1] - padding[1] + kh;
      if (!inside(h, x.h)) continue;
      for (Index kw = 0; kw < kernel[2]; ++kw) {
        const Index w = o.w * stride[2] - padding[2] + kw;
        if (inside(w, x.w)) body(tap_of(kernel, kd, kh, kw), row_of(x, {o.n, d, h, w}));
      }
    }
  }
}

// The other way round: calls body(tap, row of y) over the windows y that read position i of x through that
// tap: o = (i + padding - k) / stride where that is a whole number and inside y. In (kd, kh, kw) order.
template <class Body>
void for_windows(const Conv3dSpec& spec, const Shape& y, const Voxel& i, const Body& body) {
  const auto& [kernel, stride, padding] = spec;
  const Index d = i.d + padding[0], h = i.h + padding[1], w = i.w + padding[2];
  for (Index kd = d % stride[0]; kd < kernel[0] && kd <= d; kd += stride[0]) {
    const Index od = (d - kd) / stride[0];
    if (!inside(od, y.d)) continue;
    for (Index kh = h % stride[1]; kh < kernel[1] && kh <= h; kh += stride[1]) {
      const Index oh = (h - kh) / stride[1];
      if (!inside(oh, y.h)) continue;
      for (Index kw = w % stride[2]; kw < kernel[2] && kw <= w; kw += stride[2]) {
        const Index ow = (w - kw) / stride[2];
        if (inside(ow, y.w)) body(tap_of(kernel, kd, kh, kw), row_of(y, {i.n, od, oh, ow}));
      }
    }
  }
}

}  // namespace duet::ref

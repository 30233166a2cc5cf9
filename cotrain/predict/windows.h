// Where the windows of a volume stand, in which order and batches they run, and what each voxel of a window
// weighs. Plain arithmetic; called by sliding_window.cpp and tests.
#pragma once

#include <vector>

#include "engine/core/shape.h"

namespace duet {

// Corners of windows along one axis; the first is 0, the last ends at the border.
// stride 0: as few as steps of at most ceil(patch (1 - overlap)) allow, evenly spread, so that no voxel is
// computed much more often than others. Otherwise 0, stride, 2 stride, ... and the last one at the end, as in
// the public code of the field; stride <= patch, as every voxel is to be seen.
std::vector<Index> window_corners(Index size, Index patch, double overlap, Index stride = 0);

// Weight of each voxel of a window: a Gaussian of sigma = size / 8 along each axis, at least 1e-3 of its top
// (after nnU-Net).
std::vector<float> window_weights(const Triple& patch);

// Windows in a batch where the caller leaves it open: as many as keep its input at or below 2^21 voxels, 1 to
// 8.
Index window_batch(const Triple& patch);

// Monte Carlo passes run as one batch of `windows` windows each, where the caller leaves it open: the
// greatest divisor of `samples` that keeps within the same 2^21 voxels. Fewer, longer kernels: no faster on a
// machine of one's own (a hippocampus case, T = 8: 0.36 s either way), about twice as fast beside other work.
Index window_fold(const Triple& patch, Index windows, Index samples);

// A draw's place in its batch has 16 bits; windows beyond count up the step of their masks, and no batch
// holds windows of two steps.
constexpr Index kWindowPlaces = Index{1} << 16;

// Windows that run one after the other, in batches of at most `batch`: those of one D corner; for patches of
// one plane, of as many planes as fill a batch. Ordered by D, then H, then W.
struct WindowGroup {
  std::vector<Triple> corners;
  std::vector<Index> batches;  // as even as can be; their sum is corners.size()
  Index first = 0;             // planes below were complete before
  Index complete = 0;          // planes below are complete after this group
};

// All groups; from one's `first` to the last plane that it touches are at most ring_planes(groups, patch)
// planes. stride: 0 along an axis leaves it to the overlap.
std::vector<WindowGroup> window_groups(const Triple& size, const Triple& patch, double overlap,
                                       const Triple& stride, Index batch);
Index ring_planes(const std::vector<WindowGroup>& groups, const Triple& patch);

}  // namespace duet

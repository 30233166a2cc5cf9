// The small tables around normalisation's loops: coefficients for each sample and lane beforehand, sums of
// tasks to statistics and gradients afterwards, both in double. Called by norm.cpp.
#pragma once

#include <memory>

#include "engine/backend/onednn/lane_loop.h"
#include "engine/kernels/norm.h"
#include "engine/memory/scratch.h"

namespace duet::onednn {

// For each sample and lane: rows 0 mean, 1 factor gamma r, 2 offset beta, and with corrections 3, 4 (b, e of
// norm_backward_data: dx = factor dz - b - e (x - mean)).
class NormTable {
 public:
  NormTable(const std::shared_ptr<Allocator>& memory, const NormSpec&, const NormOperands&, const LaneLoop&,
            Index extra);
  void add_corrections(const NormSpec&, const NormOperands&, ConstView sums);
  float* row(Index sample, Index r) const { return data_ + (sample * rows_ + r) * lanes_; }

 private:
  void tile(float* lanes, Index channels) const;
  Index rows_, lanes_;
  Scratch scratch_;
  float* data_;
};

// partial: for each task sums (2, lanes) of x - shift and its square, folded into the first C lanes; shift is
// the sample's first voxel. Writes mean and var.
void finish_statistics(ConstView x, const LaneLoop&, const double* partial, View mean, View var);

// partial: for each task sums (2, lanes) of dz and dz (x - mean). Writes sums (N,1,1,2,C).
void finish_backward_sums(const NormSpec&, const NormOperands&, const LaneLoop&, const double* partial,
                          View sums);

}  // namespace duet::onednn

// What a network accepts: its config and the sizes of its inputs, checked before anything runs, and how much
// memory a step takes. Called by networks themselves, by the config's check, `duet config --from` and `duet
// train --dry-run`.
#pragma once

#include "engine/core/shape.h"
#include "nn/network.h"

namespace duet {

// 2^(depth-1) along each axis in use, 1 along D in 2D.
Triple network_stride(const NetworkConfig& config);

// Throws EngineError that names the key and what it may be.
void check_config(const NetworkConfig& config);

// Throws EngineError where a size is not divisible by the stride (naming the nearest sizes that are), or
// where instance norm would see a bottleneck of one voxel, or batch norm one of one value: `least_batch` is
// the smallest batch that it trains on.
void check_patch(const NetworkConfig& config, const Triple& patch, Index least_batch = 2);

// check_patch and the number of channels, for x (N,D,H,W,C).
void check_input(const NetworkConfig& config, const Shape& x);
// As many stages as the network is deep.
void check_encoding(const NetworkConfig& config, const Encoding& encoding);

// An ESTIMATE, right to about a third: bytes that one training step of one network holds at its peak,
// with parameters, gradients and one optimiser buffer. Recorded activations dominate. Without Monte Carlo
// passes.
std::size_t estimate_step_bytes(const NetworkConfig& config, const Triple& patch, Index batch,
                                bool bf16 = false);

}  // namespace duet

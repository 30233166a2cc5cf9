// Batches of patches: which case, where, mirrored, warped and how bright, each a pure function of (seed,
// step, place in the batch), so that a resumed run sees what the uninterrupted one would have, and it does
// not matter which thread makes a batch. No function here opens threads of its own. Called by the loader,
// tests and benchmarks.
#pragma once

#include <string>
#include <vector>

#include "cotrain/config/run_config.h"
#include "cotrain/data/cases.h"
#include "engine/kernels/backend.h"

namespace duet {

// One step's patches, the labelled segment first.
struct Batch {
  Tensor image;   // (N, D, H, W, 1)
  Tensor valid;   // (N, D, H, W, 1): 1 inside the image, 0 in its padding
  Tensor labels;  // (labelled, D, H, W, 1) u8
  Index labelled = 0;
  std::vector<std::string> case_ids;  // of each sample
};

struct SamplerConfig {
  Triple patch{};
  Index labelled = 2, unlabelled = 2;  // patches a step
  AugmentConfig augment;
  std::uint64_t seed = 1;
};

// Batches are made in host memory; cases are gone through in an order shuffled anew each time round (without
// replacement). Labelled and unlabelled cases must outlive the batches' making; unlabelled may be empty when
// config.unlabelled is 0.
Batch make_batch(const Backend& backend, const SamplerConfig& config, const std::vector<LoadedCase>& labelled,
                 const std::vector<LoadedCase>& unlabelled, std::uint32_t step);

// make_batch in two halves: memory (uninitialised), then contents.
Batch empty_batch(const Backend& backend, const SamplerConfig& config);
void fill_batch(Batch& batch, const SamplerConfig& config, const std::vector<LoadedCase>& labelled,
                const std::vector<LoadedCase>& unlabelled, std::uint32_t step);

// The batch where the backend computes: itself on the CPU, a copy on another device.
Batch on_device(const Backend& backend, Batch batch);

// Index into `count` cases of the `position`-th draw of a list; each round of `count` draws is a permutation.
std::size_t shuffled_index(std::uint64_t seed, std::uint32_t list, std::uint64_t position, std::size_t count);

}  // namespace duet

// Checkpoints of a run: checkpoints/last (to resume from) and checkpoints/best (the networks that validated
// best). A checkpoint is a folder that appears whole or not at all: network_1.safetensors,
// network_2.safetensors, to resume from also teacher_1.safetensors, ... where the method has teachers, and
// training.safetensors with the optimisers' state; the iteration, the best validation so far and the running
// norms of merge rule `balance` stand in its metadata; each may be split into shards (io/weights/shards.h).
// Called by the trainer and by prediction.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cotrain/train/merge.h"
#include "nn/network.h"
#include "nn/optimiser.h"

namespace duet {

struct Progress {
  Index iteration = 0;      // steps done
  double best_dice = -1.0;  // of a validation, -1: none yet
  Index best_iteration = 0;
  std::vector<LaneBalance> balance = {};  // of each network
};

// Replaces <folder>, its files holding at most shard_bytes of data each (0: any size); throws
// Error(filesystem), then the earlier checkpoint is still there.
void write_checkpoint(const std::filesystem::path& folder,
                      const std::vector<std::unique_ptr<Network>>& networks,
                      const std::vector<Optimiser>* optimisers, const Progress& progress,
                      std::size_t shard_bytes = 0, std::span<const std::unique_ptr<Network>> teachers = {});

// Throws Error(data) or Error(filesystem) naming the file.
Progress read_checkpoint(const std::filesystem::path& folder,
                         const std::vector<std::unique_ptr<Network>>& networks,
                         std::vector<Optimiser>* optimisers,
                         std::span<const std::unique_ptr<Network>> teachers = {});

// The folder itself or, where a write was cut off between its two renames, the earlier one beside it; empty:
// none. Throws Error(data) where the folder is there without training.safetensors.
std::filesystem::path find_checkpoint(const std::filesystem::path& folder);

}  // namespace duet

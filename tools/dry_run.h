// `duet train --dry-run`: three steps of the config on the real data, and what the whole run would take.
#pragma once

#include <filesystem>

#include "cotrain/train/trainer.h"

namespace duet {

// Prints seconds a step, total time, peak memory (measured, and as estimated) and disk. Throws Error(device)
// where memory, naming the estimate, and Error(filesystem) where disk does not suffice. `out` may be empty:
// then the disk is not asked.
int dry_run(Backend& backend, const RunConfig& config, const TrainingData& data,
            const std::filesystem::path& out, bool json);

}  // namespace duet

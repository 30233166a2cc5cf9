// The trained networks of a run, from its checkpoints. Called by prediction and by who embeds Duet.
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cotrain/config/run_config.h"

namespace duet {

// The trained networks of a run, ready to predict.
struct TrainedNetworks {
  RunConfig config;
  std::vector<std::unique_ptr<Network>> networks;
  Index classes = 0;
  std::filesystem::path checkpoint;
  std::optional<std::array<double, 3>> spacing;  // of the images it learnt from, as networks see them
};

// which: "best" or "last"; best falls back to last where no validation took place. Throws Error(usage) for
// another word, else Error naming run or file.
TrainedNetworks load_trained(Backend& backend, const std::filesystem::path& run, const std::string& which);

}  // namespace duet

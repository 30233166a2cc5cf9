#include "cotrain/predict/origin.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "engine/core/errors.h"
#include "io/dataset/sha256.h"
#include "io/files/files.h"

namespace duet {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::ordered_json;

// Of each file that holds weights of a network, shards too.
Json digests(const fs::path& checkpoint) {
  std::vector<fs::path> files;
  if (!checkpoint.empty()) {
    for (const auto& entry : fs::directory_iterator(checkpoint)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("network_") && name.ends_with(".safetensors")) files.push_back(entry.path());
    }
  }
  std::ranges::sort(files);
  Json all = Json::array();
  for (const fs::path& file : files) all.push_back(sha256_of_file(file));
  return all;
}

Json origin_of(const TrainedNetworks& trained, const PredictOptions& options) {
  const RunConfig& config = trained.config;
  return {{"weights", digests(trained.checkpoint)},
          {"precision", config.training.bf16 ? "bf16" : "f32"},
          {"samples", config.inference.samples},
          {"seed", config.training.seed},
          {"overlap", config.inference.overlap},
          {"stride", config.inference.stride},
          {"largest_component", options.largest_component || config.inference.largest_component}};
}

std::string differences(const Json& before, const Json& now) {
  std::string line;
  for (const auto& [key, value] : now.items()) {
    if (before.contains(key) && before[key] == value) continue;
    line += line.empty() ? "" : ", ";
    line += key;
    if (key != "weights")
      line += text(' ', before.contains(key) ? before[key].dump() : "none", ", now ", value.dump());
  }
  return line;
}

}  // namespace

void note_origin(const TrainedNetworks& trained, const PredictOptions& options, bool some_there) {
  constexpr std::size_t kLargest = std::size_t{1} << 20;
  const fs::path file = options.output / "predictions.json";
  const Json now = origin_of(trained, options);
  if (some_there && !options.overwrite && fs::exists(file)) {
    const Json before = Json::parse(read_file(file, kLargest), nullptr, false);
    const std::string other = before.is_object() ? differences(before, now) : "not readable";
    if (!other.empty()) {
      throw Error(ExitCode::usage,
                  text(file.string(), ": the segmentations there were made with other values (", other,
                       "); expected another --out, or --overwrite"));
    }
  }
  write_file(file, now.dump(1) + "\n");
}

}  // namespace duet

#include "cotrain/predict/origin.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "engine/core/errors.h"
#include "io/dataset/sha256.h"
#include "io/files/files.h"
#include "io/nifti/paths.h"

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

Json settings_of(const TrainedNetworks& trained, const PredictOptions& options) {
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
    if (key != "weights" && key != "image" && key != "voxels")
      line += text(' ', before.contains(key) ? before[key].dump() : "none", ", now ", value.dump());
  }
  return line;
}

}  // namespace

Origins::Origins(const TrainedNetworks& trained, const PredictOptions& options)
    : file_(options.output / "predictions.jsonl"), settings_(settings_of(trained, options)) {
  constexpr std::size_t kLargest = std::size_t{1} << 30;
  if (!fs::exists(file_)) return;
  std::istringstream lines(read_file(file_, kLargest));
  for (std::string line; std::getline(lines, line);) {
    const Json json = Json::parse(line, nullptr, false);
    if (!json.is_object() || !json.contains("case") || !json["case"].is_string()) continue;
    if (!json.contains("made_with")) continue;
    const Json& made_with = json["made_with"];
    if (!made_with.is_object() && !made_with.is_null()) continue;
    const Json files = json.contains("files") && json["files"].is_array() ? json["files"] : Json();
    cases_[json["case"].get<std::string>()] = {made_with, files};
  }
}

Json Origins::made_now(const fs::path& image) const {
  Json now = settings_;
  now["image"] = sha256_of_file(image);
  if (nifti::is_pair_path(image)) now["voxels"] = sha256_of_file(nifti::image_path(image));
  return now;
}

std::string Origins::difference(const std::string& id, const fs::path& image) const {
  const auto found = cases_.find(id);
  if (found == cases_.end()) return "of unknown origin";
  if (found->second.made_with.is_null()) return "of unknown origin, as --overwrite was cut off";
  const std::string other = differences(found->second.made_with, made_now(image));
  return other.empty() ? "" : "made with other values (" + other + ")";
}

bool Origins::covers(const std::string& id, const fs::path& file) const {
  const auto found = cases_.find(id);
  if (found == cases_.end()) return false;
  const Json& files = found->second.files;
  return files.is_null() || std::ranges::find(files, Json(file.filename().string())) != files.end();
}

void Origins::begin(const std::string& id, const fs::path& image, const std::vector<fs::path>& files) {
  Made now{made_now(image), Json::array()};
  const auto found = cases_.find(id);
  const bool same = found != cases_.end() && found->second.made_with == now.made_with;
  if (same) now.files = found->second.files;
  bool noted = same, mixed = false;
  for (const fs::path& file : files) {
    if (same && covers(id, file)) continue;
    noted = false;
    mixed = mixed || fs::exists(file);
    now.files.push_back(file.filename().string());
  }
  if (noted) return;
  if (!mixed) return note(id, now);
  note(id, {});
  pending_[id] = std::move(now);
}

void Origins::end(const std::string& id) {
  const auto found = pending_.find(id);
  if (found == pending_.end()) return;
  note(id, found->second);
  pending_.erase(found);
}

// A line that a run before left unfinished is ended first.
void Origins::note(const std::string& id, const Made& made) {
  Json json = {{"case", id}, {"made_with", made.made_with}};
  if (!made.files.is_null()) json["files"] = made.files;
  append_line(file_, json.dump(-1, ' ', false, Json::error_handler_t::replace));
  cases_[id] = made;
}

}  // namespace duet

#include "cotrain/train/checkpoint.h"

#include <charconv>
#include <cstdio>
#include <cstdlib>

#include "cotrain/train/weights_file.h"
#include "engine/core/errors.h"
#include "io/files/files.h"
#include "io/weights/shards.h"

namespace duet {
namespace fs = std::filesystem;
namespace {

std::string network_file(std::size_t i) { return text("network_", i + 1, ".safetensors"); }
std::string teacher_file(std::size_t i) { return text("teacher_", i + 1, ".safetensors"); }
std::string optimiser_prefix(std::size_t i) { return text("optimiser_", i + 1, "."); }

std::string exact_text(double value) {  // hexadecimal, so that reading gives the same bits
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%a", value);
  return buffer;
}

const std::string& metadata(const SafetensorsFile& file, const std::string& key, const fs::path& path) {
  const auto found = file.metadata.find(key);
  if (found == file.metadata.end()) {
    throw Error(ExitCode::data, text(path.string(), ": expected metadata '", key, "', found none"));
  }
  return found->second;
}

// Weights of another iteration than the checkpoint's: a copy of a run that went on, or was cut off.
void check_iteration(const fs::path& weights, const std::string& expected) {
  const SafetensorsFile headers = read_shards(weights, Read::headers);
  const auto found = headers.metadata.find("iteration");
  if (found == headers.metadata.end() || found->second == expected) return;
  throw Error(ExitCode::data, text(weights.string(), ": expected weights of iteration ", expected,
                                   ", as training.safetensors beside it, found ", found->second));
}

Index count(const SafetensorsFile& file, const std::string& key, const fs::path& path) {
  const std::string& value = metadata(file, key, path);
  Index number = -1;
  const char* end = value.data() + value.size();
  const auto [stopped, failure] = std::from_chars(value.data(), end, number);
  if (failure != std::errc() || stopped != end || number < 0) {
    throw Error(ExitCode::data, text(path.string(), ": expected metadata '", key,
                                     "' to be a whole number of at least 0, found '", value, "'"));
  }
  return number;
}

std::string balance_prefix(std::size_t i, const char* lane) { return text("balance_", i + 1, ".", lane); }

void append_running(SafetensorsFile& file, const std::string& name, const RunningMean& running) {
  if (running.count == 0) return;
  file.metadata[name] = exact_text(running.mean);
  file.metadata[name + "_count"] = text(running.count);
}

// At rest where the file has none: it was written before anything was measured, or by a version without.
RunningMean read_running(const SafetensorsFile& file, const std::string& name, const fs::path& path) {
  if (!file.metadata.contains(name)) return {};
  return {std::strtod(metadata(file, name, path).c_str(), nullptr), count(file, name + "_count", path)};
}

void replace_folder(const fs::path& fresh, const fs::path& folder) {
  const fs::path old = folder.string() + ".old";
  std::error_code error;
  if (fs::exists(folder)) {  // else `old` is what a killed run left to resume from
    fs::remove_all(old, error);
    fs::rename(folder, old, error);
  }
  if (!error) fs::rename(fresh, folder, error);
  if (error) throw Error(ExitCode::filesystem, text(folder.string(), ": cannot replace: ", error.message()));
  fs::remove_all(old, error);
}

}  // namespace

void write_checkpoint(const fs::path& folder, const std::vector<std::unique_ptr<Network>>& networks,
                      const std::vector<Optimiser>* optimisers, const Progress& progress,
                      std::size_t shard_bytes, std::span<const std::unique_ptr<Network>> teachers) {
  const fs::path fresh = folder.string() + ".new";
  std::error_code ignored;
  fs::remove_all(fresh, ignored);
  make_folder(fresh);
  try {
    for (std::size_t i = 0; i < networks.size(); ++i) {
      write_weights(fresh / network_file(i), *networks[i], {{"iteration", text(progress.iteration)}},
                    shard_bytes);
    }
    for (std::size_t i = 0; i < teachers.size(); ++i) {
      write_weights(fresh / teacher_file(i), *teachers[i], {{"iteration", text(progress.iteration)}},
                    shard_bytes);
    }
    SafetensorsFile file;
    file.metadata = {{"iteration", text(progress.iteration)},
                     {"best_dice", exact_text(progress.best_dice)},
                     {"best_iteration", text(progress.best_iteration)},
                     {"networks", text(networks.size())}};
    for (std::size_t i = 0; optimisers && i < optimisers->size(); ++i) {
      append_state(file, (*optimisers)[i].state(), 3, optimiser_prefix(i));
      file.metadata[optimiser_prefix(i) + "steps"] = text((*optimisers)[i].steps());
    }
    for (std::size_t i = 0; i < progress.balance.size(); ++i) {
      append_running(file, balance_prefix(i, "supervised"), progress.balance[i].supervised);
      append_running(file, balance_prefix(i, "unsupervised"), progress.balance[i].unsupervised);
    }
    write_shards(fresh / "training.safetensors", file, shard_bytes);
    replace_folder(fresh, folder);
  } catch (...) {
    fs::remove_all(fresh, ignored);
    throw;
  }
}

Progress read_checkpoint(const fs::path& folder, const std::vector<std::unique_ptr<Network>>& networks,
                         std::vector<Optimiser>* optimisers,
                         std::span<const std::unique_ptr<Network>> teachers) {
  const fs::path path = folder / "training.safetensors";
  // Only who goes on training needs the optimisers' arrays, which are as large as the networks.
  const SafetensorsFile file = read_shards(path, optimisers ? Read::all : Read::headers);
  const std::string& there = metadata(file, "networks", path);
  if (there != text(networks.size())) {
    throw Error(ExitCode::data,
                text(path.string(), ": expected ", networks.size(), " networks, found ", there));
  }
  Progress progress;
  progress.iteration = count(file, "iteration", path);
  const auto read = [&](const fs::path& weights, Network& network) {
    check_iteration(weights, text(progress.iteration));
    read_weights(weights, network);
  };
  for (std::size_t i = 0; i < networks.size(); ++i) read(folder / network_file(i), *networks[i]);
  for (std::size_t i = 0; i < teachers.size(); ++i) read(folder / teacher_file(i), *teachers[i]);
  for (std::size_t i = 0; optimisers && i < optimisers->size(); ++i) {
    restore_state(file, (*optimisers)[i].state(), optimiser_prefix(i), path.string(), true, 3);
    (*optimisers)[i].set_steps(count(file, optimiser_prefix(i) + "steps", path));
  }
  progress.best_dice = std::strtod(metadata(file, "best_dice", path).c_str(), nullptr);
  progress.best_iteration = count(file, "best_iteration", path);
  for (std::size_t i = 0; i < networks.size(); ++i) {
    progress.balance.push_back({read_running(file, balance_prefix(i, "supervised"), path),
                                read_running(file, balance_prefix(i, "unsupervised"), path)});
  }
  return progress;
}

fs::path find_checkpoint(const fs::path& folder) {
  for (const char* suffix : {"", ".old"}) {
    fs::path candidate = folder.string() + suffix;
    if (shards_exist(candidate / "training.safetensors")) return candidate;
  }
  // As of a copy that was cut off: another iteration's weights would pass for these, or a run begin anew.
  if (fs::exists(folder)) {
    throw Error(ExitCode::data, text(folder.string(), ": expected training.safetensors in it, found none"));
  }
  return {};
}

}  // namespace duet

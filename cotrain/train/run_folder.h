// The folder of one run: what it is made of, how it is opened anew or to resume, and what is written when it
// starts.
//   config.resolved.json  split.json  environment.json  metrics.csv  checkpoints/{last,best}  predictions/
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>

#include "cotrain/config/run_config.h"
#include "io/dataset/split.h"

namespace duet {

struct RunFolder {
  std::filesystem::path path;
  std::filesystem::path config() const { return path / "config.resolved.json"; }
  std::filesystem::path split() const { return path / "split.json"; }
  std::filesystem::path environment() const { return path / "environment.json"; }
  std::filesystem::path metrics() const { return path / "metrics.csv"; }
  std::filesystem::path last() const { return path / "checkpoints" / "last"; }
  std::filesystem::path best() const { return path / "checkpoints" / "best"; }
};

// A new run: makes the folder. Throws Error(filesystem) where it holds another run.
RunFolder create_run(const std::filesystem::path& path);

// A run to resume: throws Error(filesystem) where there is none, Error(usage) naming the keys where `config`
// differs from what the run was started with. Keys that change no result may differ.
RunFolder open_run(const std::filesystem::path& path, const ConfigValues& config);

// Of two configs as JSON (to_json): a line for each key that differs and changes results; empty: none does.
std::string differing_keys(const std::string& before, const std::string& now);

// As a run writes them down: data.dataset as an absolute path, so that the run can be gone on with from any
// folder.
ConfigValues with_absolute_paths(ConfigValues values);

// The config that a run was started with, for prediction.
ConfigValues read_run_values(const std::filesystem::path& path);
RunConfig read_run_config(const std::filesystem::path& path);

// Host, versions, threads, backend, when it started, the precision that its steps really run in, and the
// usual spacing (D, H, W) of its images as networks see them (mm), as JSON.
void write_environment(const RunFolder& run, const std::string& backend,
                       const std::vector<std::string>& versions, const std::string& precision,
                       const std::array<double, 3>& spacing);
// The latter; empty of a run of before it was noted, or where environment.json is no such file.
std::optional<std::array<double, 3>> read_spacing(const RunFolder& run);

// Of a run that goes on, perhaps on another processor: where its precision changes, environment.json says so
// ("bf16, then f32").
void note_precision(const RunFolder& run, const std::string& precision);

}  // namespace duet

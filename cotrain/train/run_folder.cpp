#include "cotrain/train/run_folder.h"

#include <algorithm>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "engine/core/errors.h"
#include "engine/core/parallel.h"
#include "io/files/files.h"

namespace duet {
namespace fs = std::filesystem;
namespace {

// What a run may be resumed with another value of: when it saves, what reads its cases and
// where they lie (split.json knows what they hold) changes no result.
// validate_every is not among them: it says which iterations `best` is chosen from.
bool changes_no_result(const std::string& key) {
  return key == "/data/dataset" || key == "/training/loading_threads" ||
         key == "/training/checkpoint_every" || key == "/training/checkpoint_minutes" ||
         key == "/training/recompute" || key == "/training/shard_mib";
}

}  // namespace

RunFolder create_run(const fs::path& path) {
  RunFolder run{path};
  if (!fs::exists(run.config()) && fs::exists(path / "checkpoints")) {
    throw Error(ExitCode::filesystem, text(path.string(),
                                           ": holds checkpoints, perhaps of a run that could not start; "
                                           "expected an empty or new folder"));
  }
  if (fs::exists(run.config()) || fs::exists(run.metrics())) {
    throw Error(ExitCode::filesystem,
                text(path.string(), ": holds another run; expected an empty or new folder (or --resume)"));
  }
  make_folder(path);
  return run;
}

RunFolder open_run(const fs::path& path, const ConfigValues& config) {
  RunFolder run{path};
  if (!fs::exists(run.config())) {
    throw Error(ExitCode::filesystem,
                text(path.string(), ": expected a run to resume, found no config.resolved.json"));
  }
  const ConfigValues before = parse_config(run.config(), {}, config.schema());
  const std::string differing =
      differing_keys(to_json(with_absolute_paths(before)), to_json(with_absolute_paths(config)));
  if (!differing.empty()) {
    throw Error(ExitCode::usage,
                text(path.string(),
                     ": expected the run's own config to go on with it, found other values:", differing));
  }
  return run;
}

std::string differing_keys(const std::string& before, const std::string& now) {
  const nlohmann::json then = nlohmann::json::parse(before).flatten();
  std::string differing;
  const nlohmann::json values = nlohmann::json::parse(now).flatten();  // outlives items(), which refers to it
  for (const auto& [key, value] : values.items()) {
    if (changes_no_result(key)) continue;
    if (!then.contains(key) || then[key] != value) {
      std::string name = key.substr(1);
      std::ranges::replace(name, '/', '.');
      differing += text("\n  ", name, ": run ", then.contains(key) ? then[key].dump() : "none", ", now ",
                        value.dump());
    }
  }
  for (const auto& [key, value] : then.items()) {
    if (changes_no_result(key) || values.contains(key)) continue;
    std::string name = key.substr(1);
    std::ranges::replace(name, '/', '.');
    differing += text("\n  ", name, ": run ", value.dump(), ", now none");
  }
  return differing;
}

ConfigValues with_absolute_paths(ConfigValues values) {
  const std::string key = "data.dataset";
  const fs::path dataset = values.get_string(key);
  if (!dataset.empty()) {
    values.assign(key, fs::absolute(dataset).lexically_normal().string(), values.where(key));
  }
  return values;
}

ConfigValues read_run_values(const fs::path& path) {
  const RunFolder run{path};
  if (!fs::exists(run.config())) {
    throw Error(ExitCode::filesystem,
                text(path.string(), ": expected a run folder, found no config.resolved.json"));
  }
  return parse_config(run.config(), {}, run_schema());
}

RunConfig read_run_config(const fs::path& path) {
  ConfigErrors errors;
  RunConfig config = to_run_config(read_run_values(path), errors);
  errors.throw_if_any();
  return config;
}

void write_environment(const RunFolder& run, const std::string& backend,
                       const std::vector<std::string>& versions, const std::string& precision,
                       const std::array<double, 3>& spacing) {
  char host[256] = "unknown";
  gethostname(host, sizeof host - 1);
  char when[64];
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  std::strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &utc);
  const nlohmann::ordered_json json = {{"started", when},          {"host", host},
                                       {"threads", max_threads()}, {"backend", backend},
                                       {"libraries", versions},    {"compiler", __VERSION__},
                                       {"precision", precision},   {"spacing", spacing}};
  write_file(run.environment(), json.dump(2) + "\n");
}

std::optional<std::array<double, 3>> read_spacing(const RunFolder& run) {
  std::ifstream file(run.environment());
  const auto json = nlohmann::json::parse(file, nullptr, false);
  if (!json.is_object() || !json.contains("spacing")) return std::nullopt;
  const nlohmann::json& list = json["spacing"];
  if (!list.is_array() || list.size() != 3) return std::nullopt;
  std::array<double, 3> spacing{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    if (!list[axis].is_number() || !(list[axis].get<double>() > 0)) return std::nullopt;
    spacing[axis] = list[axis].get<double>();
  }
  return spacing;
}

void note_precision(const RunFolder& run, const std::string& precision) {
  std::ifstream file(run.environment());
  auto json = nlohmann::ordered_json::parse(file, nullptr, false);
  if (!json.is_object()) return;  // only a note: a run without it is no worse to resume
  if (!json.contains("precision")) json["precision"] = "f32";  // runs of before there was a choice
  if (!json["precision"].is_string()) return;
  const auto before = json["precision"].get<std::string>();
  if (before.ends_with(precision)) return;
  json["precision"] = before + ", then " + precision;
  write_file(run.environment(), json.dump(2) + "\n");
}

}  // namespace duet

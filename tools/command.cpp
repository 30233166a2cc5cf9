#include "tools/command.h"

#include <charconv>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <utility>

#include "engine/backend/table.h"
#include "engine/core/errors.h"
#include "engine/core/parallel.h"

namespace duet {
namespace {

// N of "cuda:N", 0 of "cuda"; empty for anything else.
std::optional<int> gpu_number(const std::string& device) {
  if (device == "cuda") return 0;
  int number = -1;
  const char* end = device.data() + device.size();
  if (device.rfind("cuda:", 0) != 0) return std::nullopt;
  const auto [stopped, failure] = std::from_chars(device.data() + 5, end, number);
  if (failure != std::errc() || stopped != end || number < 0) return std::nullopt;
  return number;
}

// The GPU to work on; empty: the CPU.
std::optional<int> chosen_gpu(const DeviceFlags& flags) {
  if (flags.backend == "cuda") {
    throw Error(ExitCode::usage, "--backend cuda: kernels on the CPU; a GPU is asked for by --device cuda");
  }
  if (flags.device == "cpu") return std::nullopt;
  if (flags.device != "auto") {
    const auto number = gpu_number(flags.device);
    if (number) return number;
    throw Error(ExitCode::usage,
                text("--device: expected auto, cpu, cuda or cuda:N, found '", flags.device, "'"));
  }
  if (!flags.backend.empty()) return std::nullopt;
  const std::string absence = cuda_absence();
  if (absence.empty()) return 0;
  static bool said = false;
  if (built_with_cuda() && !std::exchange(said, true)) {
    std::fprintf(stderr, "device: %s; working on the CPU\n", absence.c_str());
  }
  return std::nullopt;
}

std::unique_ptr<Backend> open_gpu(const DeviceFlags& flags, int number) {
  if (!flags.backend.empty()) {
    throw Error(ExitCode::usage, text("--backend ", flags.backend,
                                      ": kernels on the CPU; expected --device cpu, found ", flags.device));
  }
  const std::string absence = cuda_absence();
  if (!absence.empty()) {
    throw Error(ExitCode::device, text("--device ", flags.device, ": ", absence, "; expected cpu or auto"));
  }
  auto backend = make_cuda(number, {flags.tf32, flags.deterministic, flags.plan_cache, !flags.no_graphs});
  backend->host->set_limit(available_memory());
  return backend;
}

}  // namespace

void add_device_flags(CLI::App& command, DeviceFlags& flags) {
  command.add_option("--device", flags.device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  command.add_option("--backend", flags.backend,
                     "kernels on the CPU: onednn or ref (default: the first that is built)");
  command.add_option("--threads", flags.threads, "threads (default: all cores)")->check(CLI::Range(1, 1024));
  command.add_option("--plan-cache", flags.plan_cache,
                     "on a GPU: file that keeps the algorithms chosen for convolutions, for a faster start");
  command.add_flag("--deterministic", flags.deterministic,
                   "on a GPU: algorithms that repeat to the last bit, chosen without timing them");
  command.add_flag("--tf32", flags.tf32,
                   "on a GPU: products of f32 in TF32, faster and with 10 bits of mantissa");
  command.add_flag(
      "--no-cuda-graphs", flags.no_graphs,
      "on a GPU: launch each kernel by itself, not rows of them that come again as one CUDA graph "
      "(same results; slower for small patches)");
}

std::unique_ptr<Backend> open_device(const DeviceFlags& flags) {
  const std::optional<int> gpu = chosen_gpu(flags);
  if (flags.threads > 0) set_threads(flags.threads);
  if (gpu) return open_gpu(flags, *gpu);
  auto backend = flags.backend.empty() ? make_default_backend() : make_backend(flags.backend);
  backend->host->set_limit(available_memory());
  return backend;
}

bool runs_in_bf16(const Backend& backend, bool wanted) {
  if (!wanted || backend.fast_bf16) return wanted;
  std::string what = "backend ref";
  if (backend.name != "ref") {
    what = "this processor (" + vendor_versions().front() + ")";
  }
  std::fprintf(stderr, "bf16: %s does not multiply bf16; going on in f32\n", what.c_str());
  return false;
}

void add_config_flags(CLI::App& command, ConfigFlags& flags) {
  command.add_option("--config", flags.file, "config file (JSON; `duet config --explain` lists the keys)");
  command.add_option("--set", flags.sets, "sets a key: training.iterations=500 (may be given often)")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void print_json_line(const nlohmann::ordered_json& json) {
  std::cout << json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << '\n';
}

std::size_t available_memory() {
  std::size_t available = 0;
  std::ifstream info("/proc/meminfo");
  for (std::string line; std::getline(info, line);) {
    if (line.rfind("MemAvailable:", 0) == 0) {
      std::istringstream(line.substr(13)) >> available;
      available *= 1024;
    }
  }
  std::ifstream group("/sys/fs/cgroup/memory.max");
  std::size_t limit = 0;
  if (group >> limit && limit > 0 && (available == 0 || limit < available)) available = limit;
  return available;
}

}  // namespace duet

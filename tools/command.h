// What every subcommand of `duet` shares: how it is added to the command line, common flags, and how a
// backend is made. One file a subcommand, flags only; the work is done by cotrain and io.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "engine/kernels/backend.h"
#include "io/config/config.h"

namespace duet {

// A subcommand sets `run`; main calls it after parsing and turns Errors into exit codes.
struct Program {
  CLI::App app{"Duet: 3D and 2D medical image segmentation from few labels"};
  std::function<int()> run;
};

void add_phantom(Program&);
void add_train(Program&);
void add_predict(Program&);
void add_evaluate(Program&);
void add_info(Program&);
void add_config(Program&);
void add_selftest(Program&);
void add_bench(Program&);
void add_study(Program&);
void add_report(Program&);

struct DeviceFlags {
  std::string device = "auto";
  std::string backend;
  int threads = 0;
  // Of a GPU; the CPU has no use for them.
  std::string plan_cache;
  bool deterministic = false, tf32 = false, no_graphs = false;
};

// --device, --backend, --threads, --plan-cache, --deterministic, --tf32, --no-cuda-graphs.
void add_device_flags(CLI::App& command, DeviceFlags& flags);
// Throws Error(device) where the device or backend is not there. Sets the threads and the memory limit.
// `auto` is the first GPU where there is one, else the CPU, which one line on stderr says, once, where this
// build has CUDA; with --backend it is the CPU.
std::unique_ptr<Backend> open_device(const DeviceFlags& flags);

// Whether work that asks for bf16 runs in it. Where the device gains nothing by it, it runs in f32, which one
// line on stderr says; called once by each subcommand, before any work.
bool runs_in_bf16(const Backend& backend, bool wanted);

constexpr Index kMostSeed = 9'000'000'000'000'000;  // as training.seed

struct ConfigFlags {
  std::filesystem::path file;
  std::vector<std::string> sets;
};
void add_config_flags(CLI::App& command, ConfigFlags& flags);

// One line on stdout, what --json prints. Names of files need not be UTF-8: what is not shows as U+FFFD.
void print_json_line(const nlohmann::ordered_json& json);

// Bytes that the system could still give, from /proc/meminfo (and the control group's limit); 0: not known.
std::size_t available_memory();

}  // namespace duet

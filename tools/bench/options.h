// What `duet bench` measures, as plain values: the same work as the yardstick `vnet_step.py` does under flags
// of the same names. Called by tools/bench.cpp, which reads the flags, and by tests.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/core/shape.h"

namespace duet::bench {

struct BenchOptions {
  std::string mode = "train";         // or "infer", "cotrain", "volume": a whole image by sliding windows
  std::string architecture = "vnet";  // or "unet", which the yardstick does not have
  Triple size{64, 64, 64};
  Index batch = 2;  // cotrain: the first half is labelled
  Index width = 16, classes = 2;
  std::string norm = "instance";  // or "batch"
  std::string precision = "f32";  // or "bf16"
  Index samples = 8;              // Monte Carlo passes T of cotrain and volume
  Index fold = 0;                 // of them run as one batch; 0: 1, of volume as predict does
  Index steps = 7;                // measured ones, after two to warm up
  bool recompute = false;         // outputs of convolutions in backward
  double p = 0.5;                 // dropout of channels
  int threads = 0;                // 0: all cores
  std::string device = "cpu";     // or "cuda", "cuda:N"
  std::string backend;            // of the CPU; "": the default one
  std::string plan_cache;         // of a GPU, as the next three
  bool deterministic = false, tf32 = false, no_graphs = false;
  std::vector<std::filesystem::path> weights;  // of each network; none: drawn
  std::filesystem::path input;                 // "input" and "labels"; none: drawn
  Triple patch{80, 112, 112}, stride{};        // volume: of its windows; a stride of 0: half the patch
  Index networks = 1;                          // volume: whose mean is taken
};

std::size_t network_count(const BenchOptions& options);

// Throws Error(usage) for what no step can be made of.
void check_options(const BenchOptions& options);

// The peer's keys, in its order. Of volume, batch and fold are those of most of its windows.
nlohmann::ordered_json options_json(const BenchOptions& options);

// The flags that say the same to `duet bench`, quoted for the shell.
std::string options_text(const BenchOptions& options);

}  // namespace duet::bench

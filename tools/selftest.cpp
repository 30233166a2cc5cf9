// `duet selftest`: compares each convolution shape of a model with the reference backend.
#include "cotrain/check/selftest.h"

#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cotrain/config/run_config.h"
#include "engine/backend/table.h"
#include "engine/core/errors.h"
#include "nn/check.h"
#include "tools/command.h"

namespace duet {
namespace {

struct SelftestFlags {
  ConfigFlags config;
  DeviceFlags device;
  bool full = false, json = false;
};

// The smallest patch that the network takes with at least two voxels at the bottleneck.
Triple small_patch(const NetworkConfig& model) {
  Triple patch = network_stride(model);
  for (Index& size : patch) size = size == 1 ? 1 : 2 * size;
  return patch;
}

int selftest_command(const SelftestFlags& flags) {
  ConfigErrors errors;
  std::vector<std::string> sets = flags.config.sets;
  sets.insert(sets.begin(), "data.dataset=unused");
  const ConfigValues values = read_config(flags.config.file, sets, run_schema(), errors);
  const RunConfig config = to_run_config(values, errors);
  errors.throw_if_any();
  const auto backend = open_device(flags.device);
  const auto reference = make_backend("ref");
  const auto checks = check_convolutions(*backend, *reference, config.model,
                                         flags.full ? config.data.patch : small_patch(config.model));
  bool passed = true;
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const ConvolutionCheck& check : checks) {
    passed = passed && check.passed;
    if (flags.json) {
      json.push_back({{"kind", check.kind},
                      {"x", text(check.x)},
                      {"w", text(check.w)},
                      {"implementation", check.implementation},
                      {"forward", check.forward},
                      {"data", check.data},
                      {"weights", check.weights},
                      {"passed", check.passed}});
    } else {
      std::printf("%-15s x %-22s w %-18s %8.1e %8.1e %8.1e  %s  %s\n", check.kind.c_str(),
                  text(check.x).c_str(), text(check.w).c_str(), check.forward, check.data, check.weights,
                  check.passed ? "ok  " : "FAIL", check.implementation.c_str());
    }
  }
  if (flags.json) {
    std::cout << json.dump() << '\n';
  } else {
    std::printf("%zu convolution shapes of backend %s against ref: %s\n", checks.size(),
                backend->name.c_str(), passed ? "all within 1e-4" : "NOT within 1e-4");
  }
  return passed ? 0 : static_cast<int>(ExitCode::numerical);
}

}  // namespace

void add_selftest(Program& program) {
  auto* command =
      program.app.add_subcommand("selftest", "compare each convolution of a model with the reference");
  auto flags = std::make_shared<SelftestFlags>();
  add_config_flags(*command, flags->config, false);
  add_device_flags(*command, flags->device);
  command->add_flag("--full", flags->full, "at the config's patch instead of the smallest one (slow)");
  command->add_flag("--json", flags->json, "print JSON");
  command->callback([&program, flags] { program.run = [flags] { return selftest_command(*flags); }; });
}

}  // namespace duet

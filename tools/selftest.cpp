// `duet selftest`: compares each convolution shape of a model with the reference backend.
#include "cotrain/check/selftest.h"

#include <cstdio>
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
  std::string precision;
  bool full = false, json = false;
};

// The smallest patch that the network takes with at least two voxels at the bottleneck.
Triple small_patch(const NetworkConfig& model) {
  Triple patch = network_stride(model);
  for (Index& size : patch) size = size == 1 ? 1 : 2 * size;
  return patch;
}

nlohmann::ordered_json pass_json(const PassCheck& pass) {
  return {{"difference", pass.difference}, {"implementation", pass.implementation}};
}

// Of forward, data and weight gradient; one name where they agree.
std::string implementations(const ConvolutionCheck& check) {
  const std::string &a = check.forward.implementation, &b = check.data.implementation,
                    &c = check.weights.implementation;
  return a == b && b == c ? a : a + " | " + b + " | " + c;
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
  const bool bf16 =
      runs_in_bf16(*backend, flags.precision.empty() ? config.training.bf16 : flags.precision == "bf16");
  const char* precision = bf16 ? "bf16" : "f32";
  const auto checks = check_convolutions(*backend, *reference, network_configs(config),
                                         flags.full ? config.data.patch : small_patch(config.model), bf16);
  bool passed = true;
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const ConvolutionCheck& check : checks) {
    passed = passed && check.passed;
    if (flags.json) {
      json.push_back({{"kind", check.kind},
                      {"x", text(check.x)},
                      {"w", text(check.w)},
                      {"precision", precision},
                      {"forward", pass_json(check.forward)},
                      {"data", pass_json(check.data)},
                      {"weights", pass_json(check.weights)},
                      {"passed", check.passed}});
    } else {
      std::printf("%-15s x %-22s w %-18s %8.1e %8.1e %8.1e  %s  %s\n", check.kind.c_str(),
                  text(check.x).c_str(), text(check.w).c_str(), check.forward.difference,
                  check.data.difference, check.weights.difference, check.passed ? "ok  " : "FAIL",
                  implementations(check).c_str());
    }
  }
  if (flags.json) {
    print_json_line(json);
  } else {
    std::printf("%zu convolution shapes of backend %s in %s against ref: %s within %s\n", checks.size(),
                backend->name.c_str(), precision, passed ? "all" : "NOT", bf16 ? "1e-2" : "1e-4");
  }
  return passed ? 0 : static_cast<int>(ExitCode::numerical);
}

}  // namespace

void add_selftest(Program& program) {
  auto* command =
      program.app.add_subcommand("selftest", "compare each convolution of a model with the reference");
  auto flags = std::make_shared<SelftestFlags>();
  add_config_flags(*command, flags->config);
  add_device_flags(*command, flags->device);
  command
      ->add_option("--precision", flags->precision,
                   "f32 (within 1e-4 of the greatest value) or bf16 (1e-2); default: training.precision")
      ->check(CLI::IsMember({"f32", "bf16"}));
  command->add_flag("--full", flags->full, "at the config's patch instead of the smallest one (slow)");
  command->add_flag("--json", flags->json, "print JSON");
  command->callback([&program, flags] { program.run = [flags] { return selftest_command(*flags); }; });
}

}  // namespace duet

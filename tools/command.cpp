#include "tools/command.h"

#include <cstdio>
#include <fstream>
#include <sstream>

#include "engine/backend/table.h"
#include "engine/core/errors.h"
#include "engine/core/parallel.h"

namespace duet {

void add_device_flags(CLI::App& command, DeviceFlags& flags) {
  command.add_option("--device", flags.device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  command.add_option("--backend", flags.backend,
                     "kernels on the CPU: onednn or ref (default: the first that is built)");
  command.add_option("--threads", flags.threads, "threads (default: all cores)")->check(CLI::Range(1, 1024));
}

std::unique_ptr<Backend> open_device(const DeviceFlags& flags) {
  if (flags.device.rfind("cuda", 0) == 0) {
    throw Error(ExitCode::device,
                text("--device ", flags.device, ": this build has no CUDA backend; expected cpu or auto"));
  }
  if (flags.device != "auto" && flags.device != "cpu") {
    throw Error(ExitCode::usage,
                text("--device: expected auto, cpu, cuda or cuda:N, found '", flags.device, "'"));
  }
  if (flags.threads > 0) set_threads(flags.threads);
  auto backend = flags.backend.empty() ? make_default_backend() : make_backend(flags.backend);
  backend->memory->set_limit(available_memory());
  return backend;
}

bool runs_in_bf16(const Backend& backend, bool wanted) {
  if (!wanted || backend.fast_bf16) return wanted;
  std::string what = "backend ref";
  if (backend.name != "ref") {
    std::string libraries;
    for (const std::string& line : vendor_versions()) libraries += (libraries.empty() ? "" : ", ") + line;
    what = "this processor (" + libraries + ")";
  }
  std::fprintf(stderr, "bf16: %s does not multiply bf16; going on in f32\n", what.c_str());
  return false;
}

void add_config_flags(CLI::App& command, ConfigFlags& flags, bool required) {
  auto* file = command.add_option("--config", flags.file,
                                  "config file (JSON; `duet config --explain` lists the keys)");
  if (required) file->required();
  command.add_option("--set", flags.sets, "sets a key: training.iterations=500 (may be given often)")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
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

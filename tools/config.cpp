// `duet config`: explains the keys, checks a config, or writes one for a data set.
#include <iostream>

#include "cotrain/config/run_config.h"
#include "cotrain/config/suggest.h"
#include "engine/core/errors.h"
#include "io/files/files.h"
#include "tools/command.h"

namespace duet {
namespace {

struct ConfigCommandFlags {
  ConfigFlags config;
  std::filesystem::path from, out;
  std::string precision = "f32";
  bool explain = false, overwrite = false;
  double memory_gib = 0;
};

void say_chosen(const ConfigValues& chosen) {
  const Triple patch = chosen.get_triple("data.patch");
  const Index validation = chosen.get_int("data.validation");
  std::fprintf(stderr, "chosen: %s, patch %lldx%lldx%lld, width %lld, %lld validation cases\n",
               chosen.get_string("method.name").c_str(), static_cast<long long>(patch[0]),
               static_cast<long long>(patch[1]), static_cast<long long>(patch[2]),
               static_cast<long long>(chosen.get_int("model.width")), static_cast<long long>(validation));
  if (validation > 0) return;
  std::fprintf(stderr,
               "warning: too few labelled cases to keep any for validation, so nothing will be measured "
               "(data.validation, data.report)\n");
}

int config_command(const ConfigCommandFlags& flags) {
  if (flags.explain) {
    std::cout << explain(run_schema());
    return 0;
  }
  if (!flags.out.empty() && !flags.overwrite && std::filesystem::is_regular_file(flags.out)) {
    throw Error(ExitCode::filesystem,
                text(flags.out.string(), ": is there already; expected another --out, or --overwrite"));
  }
  std::string json;
  if (!flags.from.empty()) {
    if (!flags.config.sets.empty() || !flags.config.file.empty()) {
      throw Error(ExitCode::usage,
                  "config: --from chooses by the data set alone; expected no --config and no --set beside it "
                  "(duet train takes --set)");
    }
    const double memory =
        flags.memory_gib > 0 ? flags.memory_gib * (1 << 30) : 0.7 * static_cast<double>(available_memory());
    const ConfigValues chosen =
        suggest_config(flags.from, static_cast<std::size_t>(memory), flags.precision == "bf16");
    say_chosen(chosen);
    json = commented_json(chosen);
  } else if (!flags.config.file.empty()) {
    ConfigErrors errors;
    const ConfigValues values = read_config(flags.config.file, flags.config.sets, run_schema(), errors);
    to_run_config(values, errors);
    errors.throw_if_any();
    json = to_json(values) + "\n";
  } else {
    throw Error(ExitCode::usage,
                "config: expected --explain, --from dataset.json or --config C.json, found none");
  }
  if (flags.out.empty()) {
    std::cout << json;
  } else {
    write_file(flags.out, json);
  }
  return 0;
}

}  // namespace

void add_config(Program& program) {
  auto* command =
      program.app.add_subcommand("config", "explain the keys, check a config, or write one for a data set");
  auto flags = std::make_shared<ConfigCommandFlags>();
  command->add_flag("--explain", flags->explain, "every key with type, default and meaning");
  command->add_option("--from", flags->from, "write a config for this dataset.json, every key explained");
  command
      ->add_option("--memory", flags->memory_gib,
                   "GiB that a training step may take (default: 70 % of what is free)")
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--precision", flags->precision,
                   "of --from: f32, or bf16 (larger patches in the same memory)")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str();
  command->add_option("--out", flags->out, "file to write (default: standard output)");
  command->add_flag("--overwrite", flags->overwrite, "also where --out is there already");
  add_config_flags(*command, flags->config);
  command->callback([&program, flags] { program.run = [flags] { return config_command(*flags); }; });
}

}  // namespace duet

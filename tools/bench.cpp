// `duet bench`: what a step takes, where it goes, and how that compares with a peer's.
#include <cstdio>
#include <iostream>

#include "engine/core/errors.h"
#include "tools/bench/backward.h"
#include "tools/bench/floor.h"
#include "tools/bench/measure.h"
#include "tools/bench/peer.h"
#include "tools/bench/scaling.h"
#include "tools/bench/tables.h"
#include "tools/bench/volume.h"
#include "tools/command.h"

namespace duet {
namespace {

struct BenchFlags {
  bench::BenchOptions options;
  DeviceFlags device;
  std::vector<std::string> peers;
  int rounds = 7;
  bool ops = false, table = false, floor = false, scaling = false, backward = false, losses = false;
  bool json = false;
};

int compare_with_peers(const BenchFlags& flags, Backend& backend) {
  const bench::Comparison comparison = bench::compare(flags.peers, flags.options, flags.rounds);
  nlohmann::ordered_json json = bench::comparison_json(comparison, flags.options);
  if (!flags.json) std::cout << bench::comparison_text(comparison);
  if (flags.floor) {
    Timings timings;
    time_kernels(backend, timings);
    const auto floor = bench::measure_floor(bench::profile_step(backend, timings, flags.options));
    const double step = comparison.ours.median_s;
    json["floor"] = bench::floor_json(floor, step, flags.options.precision);
    if (!flags.json) std::cout << bench::floor_text(floor, step, flags.options.precision);
  }
  if (flags.json) print_json_line(json);
  return 0;
}

int scale(const BenchFlags& flags) {
  auto points = bench::scaling_points(flags.options);
  bench::measure_points(points);
  if (flags.json) {
    print_json_line({{"scaling", bench::scaling_json(points)}});
  } else {
    std::cout << bench::scaling_text(points);
  }
  return 0;
}

int compare_backward_ways(const BenchFlags& flags, Backend& backend) {
  const auto found = bench::compare_backward(backend, flags.options);
  if (flags.json) {
    nlohmann::ordered_json json = bench::options_json(flags.options);
    json["backward"] = bench::backward_json(found);
    print_json_line(json);
  } else {
    std::cout << bench::backward_text(found);
  }
  return 0;
}

// A build for speed that runs a reference loop where it matters is a failure: exit code 5, as of a selftest
// that fails.
int profile(const BenchFlags& flags, Backend& backend) {
  Timings timings;
  time_kernels(backend, timings);
  const bench::Profile step = bench::profile_step(backend, timings, flags.options);
  nlohmann::ordered_json json = bench::options_json(flags.options);
  json["step_s"] = step.seconds;
  int code = 0;
  if (flags.table) {
    json["groups"] = bench::groups_json(step);
    if (!flags.json) std::cout << bench::groups_text(step);
  }
  if (flags.ops) {
    const bench::MachinePeaks peaks =
        bench::measure_peaks(backend, flags.options.precision == "bf16" ? DType::bf16 : DType::f32);
    const auto rows = bench::op_rows(backend, step, peaks);
    json["peak_gflops"] = peaks.gflops;
    json["peak_gbs"] = peaks.gbs;
    json["ops"] = bench::ops_json(rows);
    if (!flags.json) std::cout << bench::ops_text(step, rows, peaks);
    for (const bench::OpRow& row : bench::hot_reference_rows(step, rows)) {
      std::fprintf(stderr, "duet: %s %s takes %.1f %% of the step in a reference implementation, %s\n",
                   std::string(row.use.kernel).c_str(), shape_label(row.use).c_str(),
                   100 * row.use.seconds / step.seconds, row.implementation.c_str());
      code = static_cast<int>(ExitCode::numerical);
    }
  }
  if (flags.floor) {
    const bench::Floor floor = bench::measure_floor(step);
    json["floor"] = bench::floor_json(floor, step.seconds, flags.options.precision);
    if (!flags.json) std::cout << bench::floor_text(floor, step.seconds, flags.options.precision);
  }
  if (flags.json) print_json_line(json);
  return code;
}

// Children are told the device that was found, so that they need not look for it.
void tell_device(bench::BenchOptions& options, const DeviceFlags& flags, const Backend& found) {
  options.threads = flags.threads;
  options.backend = flags.backend;
  options.device = flags.device != "auto" ? flags.device : found.name == "cuda" ? "cuda" : "cpu";
  options.plan_cache = flags.plan_cache;
  options.deterministic = flags.deterministic;
  options.tf32 = flags.tf32;
  options.no_graphs = flags.no_graphs;
}

int bench_command(BenchFlags flags) {
  if (flags.backward) flags.options.mode = "cotrain";  // the step of several terms
  bench::check_options(flags.options);
  // Here, so that children are neither refused nor fall back one by one.
  const auto backend = open_device(flags.device);
  tell_device(flags.options, flags.device, *backend);
  if (!runs_in_bf16(*backend, flags.options.precision == "bf16")) flags.options.precision = "f32";
  if (!flags.peers.empty()) return compare_with_peers(flags, *backend);
  if (flags.scaling) return scale(flags);
  if (flags.backward) return compare_backward_ways(flags, *backend);
  if (flags.ops || flags.table || flags.floor) return profile(flags, *backend);
  if (flags.losses) {
    nlohmann::ordered_json json = bench::options_json(flags.options);
    json["losses"] = bench::first_losses(*backend, flags.options, 3);
    print_json_line(json);
    return 0;
  }
  const bench::Measured measured = bench::measure(*backend, flags.options);
  if (flags.json) {
    print_json_line(bench::measured_json(flags.options, measured));
  } else {
    std::printf(
        "a step        %.4f s (median of %lld), %.4f s at best\npeak memory   %.0f MiB, of which %.0f before "
        "the"
        " first step\n",
        measured.median_s, static_cast<long long>(flags.options.steps), measured.min_s, measured.peak_mib,
        measured.rest_mib);
    if (flags.options.mode == "volume") {
      std::printf("windows       %lld\n", static_cast<long long>(bench::window_count(flags.options)));
    }
  }
  return 0;
}

void add_work_flags(CLI::App& command, bench::BenchOptions& options) {
  command
      .add_option("--mode", options.mode,
                  "the step: train, infer, cotrain, or volume (an image of --size by sliding windows)")
      ->check(CLI::IsMember({"train", "infer", "cotrain", "volume"}))
      ->capture_default_str();
  command.add_option("--architecture", options.architecture, "vnet or unet")
      ->check(CLI::IsMember({"vnet", "unet"}))
      ->capture_default_str();
  command.add_option("--size", options.size, "D H W of a sample, of volume of the image")
      ->check(CLI::Range(1, 4096));
  command
      .add_option("--batch", options.batch,
                  "samples; of cotrain the first half is labelled; volume batches as predict does")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command.add_option("--width", options.width, "channels of the first stage")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command.add_option("--classes", options.classes, "classes")
      ->check(CLI::Range(2, 255))
      ->capture_default_str();
  command.add_option("--norm", options.norm, "instance or batch")
      ->check(CLI::IsMember({"instance", "batch"}))
      ->capture_default_str();
  command.add_option("--precision", options.precision, "f32 or bf16")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str();
  command
      .add_option("--samples", options.samples,
                  "Monte Carlo passes of cotrain and volume (there 0: no uncertainty map)")
      ->check(CLI::Range(0, 4000))
      ->capture_default_str();
  command.add_flag("--recompute", options.recompute,
                   "make outputs of convolutions again in backward: less memory");
  command.add_option("--fold", options.fold, "of them run as one batch (0: 1, of volume as predict does)")
      ->check(CLI::Range(0, 4000))
      ->capture_default_str();
  command.add_option("--patch", options.patch, "volume: D H W of a window")->check(CLI::Range(1, 4096));
  command.add_option("--stride", options.stride, "volume: D H W between windows (0: half the patch)")
      ->check(CLI::Range(0, 4096));
  command.add_option("--networks", options.networks, "volume: networks whose mean is taken")
      ->check(CLI::Range(1, 2))
      ->capture_default_str();
  command.add_option("--steps", options.steps, "measured steps, after two to warm up (of volume one)")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command.add_option("--p", options.p, "dropout of channels")
      ->check(CLI::Range(0.0, 0.99))
      ->capture_default_str();
  command.add_option("--weights", options.weights, "safetensors of each network (default: drawn)")
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command.add_option("--input", options.input, "safetensors with `input` and `labels` (default: drawn)");
}

}  // namespace

void add_bench(Program& program) {
  auto* command = program.app.add_subcommand("bench", "measure a step, and compare it with a peer's");
  auto flags = std::make_shared<BenchFlags>();
  add_work_flags(*command, flags->options);
  add_device_flags(*command, flags->device);
  command->add_flag("--table", flags->table, "where the step's time goes");
  command->add_flag(
      "--ops", flags->ops,
      "each kernel against the machine's peaks, and those of large tensors that are furthest from a copy's; "
      "exit code 5 where a hot one is a reference loop");
  command->add_flag("--floor", flags->floor,
                    "the step's convolutions alone through the library (beside --peer, too)");
  command->add_flag("--scaling", flags->scaling, "time a voxel for growing sizes, batches and threads");
  command->add_flag("--backward", flags->backward,
                    "one backward over all loss terms of cotrain's step against one a term");
  command->add_flag("--losses", flags->losses, "print the losses of the first three steps instead");
  command
      ->add_option(
          "--peer", flags->peers,
          "a command that ends with a line of JSON: runs alternately with our step (may be given often)")
      ->type_name("COMMAND")
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command->add_option("--rounds", flags->rounds, "of the comparison with peers; claims rest on 7 at least")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_flag("--json", flags->json, "print one line of JSON");
  command->callback([&program, flags] { program.run = [flags] { return bench_command(*flags); }; });
}

}  // namespace duet

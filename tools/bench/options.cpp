#include "tools/bench/options.h"

#include <algorithm>

#include "engine/core/errors.h"
#include "engine/core/parallel.h"
#include "tools/bench/child.h"
#include "tools/bench/volume.h"

namespace duet::bench {

std::size_t network_count(const BenchOptions& options) {
  if (options.mode == "volume") return static_cast<std::size_t>(options.networks);
  return options.mode == "cotrain" ? 2 : 1;
}

void check_options(const BenchOptions& options) {
  if (options.mode == "cotrain" && options.batch % 2 != 0) {
    throw Error(ExitCode::usage,
                text("--batch: cotrain takes half of it as labelled: expected an even number,"
                     " found ",
                     options.batch));
  }
  const bool volume = options.mode == "volume";
  if (!volume && options.samples == 0) {
    throw Error(ExitCode::usage,
                "--samples: expected 1 or more, found 0 (of mode volume: no uncertainty map)");
  }
  if (volume && !options.input.empty()) {
    throw Error(ExitCode::usage, "--input: mode volume draws its image; expected none");
  }
  if (options.fold > 0 && options.samples % options.fold != 0) {
    throw Error(ExitCode::usage,
                text("--fold: expected a divisor of ", options.samples, " samples, found ", options.fold));
  }
  const std::size_t networks = network_count(options);
  if (!options.weights.empty() && options.weights.size() != networks) {
    throw Error(ExitCode::usage, text("--weights: mode ", options.mode, " expects a file for each of ",
                                      networks, " networks, found ", options.weights.size()));
  }
}

nlohmann::ordered_json options_json(const BenchOptions& o) {
  const bool volume = o.mode == "volume";
  const Index batch = volume ? std::min(window_batch(o.patch), window_count(o)) : o.batch;
  const Index fold = o.fold > 0 ? o.fold : volume ? window_fold(o.patch, batch, o.samples) : 1;
  nlohmann::ordered_json json = {{"mode", o.mode},
                                 {"architecture", o.architecture},
                                 {"size", o.size},
                                 {"batch", batch},
                                 {"width", o.width},
                                 {"classes", o.classes},
                                 {"norm", o.norm},
                                 {"samples", o.samples},
                                 {"fold", fold},
                                 {"steps", o.steps},
                                 {"p", o.p},
                                 {"threads", max_threads()},
                                 {"precision", o.precision},
                                 {"recompute", o.recompute}};
  if (!volume) return json;
  json["patch"] = o.patch;
  json["stride"] = o.stride;
  json["networks"] = o.networks;
  json["windows"] = window_count(o);
  return json;
}

std::string options_text(const BenchOptions& o) {
  std::string line = text(" --mode ", o.mode, " --architecture ", o.architecture, " --size ", o.size[0], ' ',
                          o.size[1], ' ', o.size[2], " --batch ", o.batch, " --width ", o.width,
                          " --classes ", o.classes, " --norm ", o.norm, " --samples ", o.samples, " --fold ",
                          o.fold, " --steps ", o.steps, " --p ", o.p, " --precision ", o.precision);
  if (o.recompute) line += " --recompute";
  if (o.mode == "volume") {
    line += text(" --patch ", o.patch[0], ' ', o.patch[1], ' ', o.patch[2], " --stride ", o.stride[0], ' ',
                 o.stride[1], ' ', o.stride[2], " --networks ", o.networks);
  }
  if (o.threads > 0) line += text(" --threads ", o.threads);
  line += " --device " + shell_quoted(o.device);
  if (!o.plan_cache.empty()) line += " --plan-cache " + shell_quoted(o.plan_cache);
  if (o.deterministic) line += " --deterministic";
  if (o.tf32) line += " --tf32";
  if (o.no_graphs) line += " --no-cuda-graphs";
  if (!o.backend.empty()) line += " --backend " + shell_quoted(o.backend);
  for (const auto& file : o.weights) line += " --weights " + shell_quoted(file.string());
  if (!o.input.empty()) line += " --input " + shell_quoted(o.input.string());
  return line;
}

}  // namespace duet::bench

#include "tools/bench/options.h"

#include "engine/core/errors.h"
#include "engine/core/parallel.h"
#include "tools/bench/child.h"

namespace duet::bench {

void check_options(const BenchOptions& options) {
  if (options.mode == "cotrain" && options.batch % 2 != 0) {
    throw Error(ExitCode::usage,
                text("--batch: cotrain takes half of it as labelled: expected an even number,"
                     " found ",
                     options.batch));
  }
  if (options.samples % options.fold != 0) {
    throw Error(ExitCode::usage,
                text("--fold: expected a divisor of ", options.samples, " samples, found ", options.fold));
  }
  const std::size_t networks = options.mode == "cotrain" ? 2 : 1;
  if (!options.weights.empty() && options.weights.size() != networks) {
    throw Error(ExitCode::usage, text("--weights: mode ", options.mode, " expects a file for each of ",
                                      networks, " networks, found ", options.weights.size()));
  }
}

nlohmann::ordered_json options_json(const BenchOptions& o) {
  return {{"mode", o.mode},       {"size", o.size}, {"batch", o.batch},         {"width", o.width},
          {"classes", o.classes}, {"norm", o.norm}, {"samples", o.samples},     {"fold", o.fold},
          {"steps", o.steps},     {"p", o.p},       {"threads", max_threads()}, {"precision", o.precision},
          {"recompute", o.recompute}};
}

std::string options_text(const BenchOptions& o) {
  std::string line =
      text(" --mode ", o.mode, " --size ", o.size[0], ' ', o.size[1], ' ', o.size[2], " --batch ", o.batch,
           " --width ", o.width, " --classes ", o.classes, " --norm ", o.norm, " --samples ", o.samples,
           " --fold ", o.fold, " --steps ", o.steps, " --p ", o.p, " --precision ", o.precision);
  if (o.recompute) line += " --recompute";
  if (o.threads > 0) line += text(" --threads ", o.threads);
  if (!o.backend.empty()) line += " --backend " + shell_quoted(o.backend);
  for (const auto& file : o.weights) line += " --weights " + shell_quoted(file.string());
  if (!o.input.empty()) line += " --input " + shell_quoted(o.input.string());
  return line;
}

}  // namespace duet::bench

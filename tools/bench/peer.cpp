#include "tools/bench/peer.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "engine/core/errors.h"
#include "tools/bench/child.h"

namespace duet::bench {
namespace {

double median(std::vector<double> values) {
  if (std::any_of(values.begin(), values.end(), [](double v) { return std::isnan(v); }))
    return std::numeric_limits<double>::quiet_NaN();
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size();
  return n % 2 ? values[n / 2] : 0.5 * (values[n / 2 - 1] + values[n / 2]);
}

void check_same_work(const nlohmann::json& theirs, const BenchOptions& options, const std::string& command) {
  const nlohmann::json ours(options_json(options));
  // Windows may be cut from any image, and run in any batches.
  const bool volume = options.mode == "volume";
  const std::vector<std::string> names =
      volume ? std::vector<std::string>{"mode",  "patch",   "windows", "networks",
                                        "width", "classes", "norm",    "samples"}
             : std::vector<std::string>{"mode", "size", "batch", "width", "classes", "norm", "samples", "p"};
  for (const std::string& name : names) {
    if (name == "samples" && options.mode != "cotrain" && !volume) continue;
    if (name == "p" && options.mode == "infer") continue;
    if (!theirs.contains(name) || theirs.at(name) == ours.at(name)) continue;
    throw Error(ExitCode::usage, text("'", command, "' did other work: ", name, " should be ",
                                      ours.at(name).dump(), " as ours, found ", theirs.at(name).dump()));
  }
}

void run_once(Side& side, const BenchOptions& options) {
  const nlohmann::json said = run_child(side.command);
  check_same_work(said, options, side.command);
  const auto number = [&](const char* key) {
    const auto at = said.find(key);
    return at != said.end() && at->is_number() ? at->get<double>() : std::numeric_limits<double>::quiet_NaN();
  };
  const double seconds = number("median_s");
  if (!(seconds > 0)) {
    throw Error(ExitCode::usage, text("'", side.command, "': expected a median_s above 0, found ",
                                      said.contains("median_s") ? said.at("median_s").dump() : "none"));
  }
  side.seconds.push_back(seconds);
  side.peak_over_rest.push_back(number("peak_mib") - number("rest_mib"));
}

nlohmann::ordered_json side_json(const Side& side) {
  return {{"command", side.command},
          {"median_s", side.median_s},
          {"memory_mib", side.memory_mib},
          {"rounds_s", side.seconds},
          {"rounds_memory_mib", side.peak_over_rest}};
}

std::string line(const char* name, const Side& side) {
  char buffer[160];
  std::snprintf(buffer, sizeof buffer, "%-8s %10.4f s %10.0f MiB", name, side.median_s, side.memory_mib);
  return buffer;
}

}  // namespace

Comparison compare(const std::vector<std::string>& peers, const BenchOptions& options, int rounds) {
  check_options(options);
  Comparison comparison;
  comparison.ours.command = own_command(options);
  for (const std::string& command : peers) comparison.peers.push_back({command, {}, {}, 0, 0});
  for (int round = 0; round < rounds; ++round) {
    // There and back again, so that nobody always runs behind the same neighbour.
    std::vector<Side*> order{&comparison.ours};
    for (Side& peer : comparison.peers) order.push_back(&peer);
    if (round % 2) std::reverse(order.begin(), order.end());
    for (Side* side : order) run_once(*side, options);
    std::fprintf(stderr, "round %d of %d: ours %.4f s", round + 1, rounds, comparison.ours.seconds.back());
    for (const Side& peer : comparison.peers) std::fprintf(stderr, ", peer %.4f s", peer.seconds.back());
    std::fprintf(stderr, "\n");
  }
  const auto finish = [](Side& side) {
    side.median_s = median(side.seconds);
    side.memory_mib = median(side.peak_over_rest);
  };
  finish(comparison.ours);
  for (Side& peer : comparison.peers) finish(peer);
  comparison.fastest = static_cast<std::size_t>(
      std::min_element(comparison.peers.begin(), comparison.peers.end(),
                       [](const Side& a, const Side& b) { return a.median_s < b.median_s; }) -
      comparison.peers.begin());
  return comparison;
}

std::string comparison_text(const Comparison& comparison) {
  std::string out = line("ours", comparison.ours) + "  (medians; memory above the rest)\n";
  for (std::size_t i = 0; i < comparison.peers.size(); ++i) {
    const Side& peer = comparison.peers[i];
    char ratios[120];
    std::snprintf(ratios, sizeof ratios, "  %.2f times our time, we take %.2f of its memory%s",
                  comparison.ratio(peer), comparison.memory_ratio(peer),
                  i == comparison.fastest && comparison.peers.size() > 1 ? "  <- the fastest" : "");
    out += line("peer", peer) + ratios + "  " + peer.command + "\n";
  }
  return out;
}

nlohmann::ordered_json comparison_json(const Comparison& comparison, const BenchOptions& options) {
  nlohmann::ordered_json json = options_json(options);
  const Side& fastest = comparison.peers[comparison.fastest];
  json["ours"] = side_json(comparison.ours);
  json["peers"] = nlohmann::ordered_json::array();
  for (const Side& peer : comparison.peers) {
    nlohmann::ordered_json one = side_json(peer);
    one["ratio"] = comparison.ratio(peer);
    one["memory_ratio"] = comparison.memory_ratio(peer);
    json["peers"].push_back(one);
  }
  json["fastest"] = comparison.fastest;
  json["ratio"] = comparison.ratio(fastest);
  json["memory_ratio"] = comparison.memory_ratio(fastest);
  return json;
}

}  // namespace duet::bench

// Our step and other programs' alternately in one run, each time in a fresh process, so that a machine whose
// speed drifts is the same for all.
#pragma once

#include <string>
#include <vector>

#include "tools/bench/options.h"

namespace duet::bench {

struct Side {
  std::string command;
  std::vector<double> seconds;         // median_s of each round
  std::vector<double> peak_over_rest;  // MiB of each round; NaN where the program does not say
  double median_s = 0, memory_mib = 0;
};

struct Comparison {
  Side ours;
  std::vector<Side> peers;
  std::size_t fastest = 0;  // among the peers: the one that counts
  double ratio(const Side& peer) const { return peer.median_s / ours.median_s; }
  double memory_ratio(const Side& peer) const { return ours.memory_mib / peer.memory_mib; }
};

// Runs and prints a line a round to stderr. Throws Error(usage) where a program fails, says nothing, or did
// other work than ours by the keys that both print.
Comparison compare(const std::vector<std::string>& peers, const BenchOptions& options, int rounds);

std::string comparison_text(const Comparison& comparison);
nlohmann::ordered_json comparison_json(const Comparison& comparison, const BenchOptions& options);

}  // namespace duet::bench

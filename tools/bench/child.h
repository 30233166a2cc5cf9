// Measurements in processes of their own, so that neither memory nor caches of one reach the next: a shell
// command that ends with a line of JSON. Called by the comparison with a peer and by the scaling table.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace duet::bench {

struct BenchOptions;

std::string shell_quoted(const std::string& word);

// `duet bench ... --json` by this very program.
std::string own_command(const BenchOptions& options);

// Runs the command through /bin/sh and parses the last line of its output that begins with '{'. Throws
// Error(usage) naming the command where it fails or prints no such line, Error(device) where that is its
// code.
nlohmann::json run_child(const std::string& command);

}  // namespace duet::bench

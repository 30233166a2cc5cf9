// How the time of a step grows: voxels, batch and threads, each point in a process of its own.
#pragma once

#include <string>
#include <vector>

#include "tools/bench/options.h"

namespace duet::bench {

struct ScalingPoint {
  std::string axis;  // "size", "batch" or "threads": what differs from the first point
  BenchOptions options;
  double seconds = 0, memory_mib = 0;  // median of a step; peak above the rest
  double gflops = 0;  // of as many threads' multiply-adds alone: what more threads can bring on this machine

  double voxels() const;
  double ns_per_voxel() const { return 1e9 * seconds / voxels(); }
};

// The options as given; then one, two and three axes doubled; then twice and four times the batch; then 1, 2,
// 4
// ... threads below those given.
std::vector<ScalingPoint> scaling_points(const BenchOptions& options);
void measure_points(std::vector<ScalingPoint>& points);

std::string scaling_text(const std::vector<ScalingPoint>& points);
nlohmann::ordered_json scaling_json(const std::vector<ScalingPoint>& points);

}  // namespace duet::bench

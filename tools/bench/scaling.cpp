#include "tools/bench/scaling.h"

#include <cstdio>

#include "engine/core/errors.h"
#include "engine/core/parallel.h"
#include "tools/bench/child.h"
#include "tools/bench/peaks.h"

namespace duet::bench {

double ScalingPoint::voxels() const {
  const Triple& s = options.size;
  return static_cast<double>(options.batch) * static_cast<double>(s[0] * s[1] * s[2]);
}

std::vector<ScalingPoint> scaling_points(const BenchOptions& options) {
  if (options.mode == "volume") {
    throw Error(ExitCode::usage, "--scaling: expected mode train, infer or cotrain, found volume");
  }
  BenchOptions base = options;
  base.threads = max_threads();
  std::vector<ScalingPoint> points{{"size", base}};
  BenchOptions larger = base;
  for (Index& size : larger.size) {
    size *= 2;
    points.push_back({"size", larger});
  }
  for (const Index times : {2, 4}) {
    points.push_back({"batch", base});
    points.back().options.batch *= times;
  }
  for (int threads = 1; threads < base.threads; threads *= 2) {
    points.push_back({"threads", base});
    points.back().options.threads = threads;
  }
  return points;
}

void measure_points(std::vector<ScalingPoint>& points) {
  const int before = max_threads();
  for (ScalingPoint& point : points) {
    set_threads(point.options.threads);
    point.gflops = multiply_add_gflops();
    set_threads(before);
    const nlohmann::json said = run_child(own_command(point.options));
    point.seconds = said.at("median_s").get<double>();
    point.memory_mib = said.at("peak_mib").get<double>() - said.at("rest_mib").get<double>();
  }
}

std::string scaling_text(const std::vector<ScalingPoint>& points) {
  char buffer[200];
  std::snprintf(buffer, sizeof buffer, "%-8s %-14s %6s %8s %10s %10s %9s %10s %14s\n", "axis", "size",
                "batch", "threads", "s a step", "ns/voxel", "of first", "MiB", "peak GFLOP/s");
  std::string out = buffer;
  for (const ScalingPoint& point : points) {
    const Triple& s = point.options.size;
    std::snprintf(buffer, sizeof buffer, "%-8s %-14s %6lld %8d %10.4f %10.1f %9.3f %10.0f %14.0f\n",
                  point.axis.c_str(), text(s[0], 'x', s[1], 'x', s[2]).c_str(),
                  static_cast<long long>(point.options.batch), point.options.threads, point.seconds,
                  point.ns_per_voxel(), point.ns_per_voxel() / points.front().ns_per_voxel(),
                  point.memory_mib, point.gflops);
    out += buffer;
  }
  return out;
}

nlohmann::ordered_json scaling_json(const std::vector<ScalingPoint>& points) {
  auto json = nlohmann::ordered_json::array();
  for (const ScalingPoint& point : points) {
    json.push_back({{"axis", point.axis},
                    {"size", point.options.size},
                    {"batch", point.options.batch},
                    {"threads", point.options.threads},
                    {"median_s", point.seconds},
                    {"ns_per_voxel", point.ns_per_voxel()},
                    {"of_first", point.ns_per_voxel() / points.front().ns_per_voxel()},
                    {"memory_mib", point.memory_mib},
                    {"peak_gflops", point.gflops}});
  }
  return json;
}

}  // namespace duet::bench

#include "tools/bench/measure.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <sys/resource.h>

namespace duet::bench {
namespace {

// A volume's first windows make the plans of the others.
int warm_up_steps(const BenchOptions& options) { return options.mode == "volume" ? 1 : 2; }

double seconds_of_step(Backend& backend, Work& work) {
  const auto start = std::chrono::steady_clock::now();
  take_step(backend, work);
  backend.wait();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Of the device's tensors and workspaces, where it is not the host: as torch.cuda.max_memory_allocated().
double peak_mib_of(const Backend& backend) {
  if (!backend.memory->on_host()) return static_cast<double>(backend.memory->counters().peak_bytes) / 1048576;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

// To so many units of 1; a division at the end, so that the number prints as short as it is.
double rounded(double value, double units) { return std::round(value * units) / units; }

}  // namespace

Measured measure(Backend& backend, const BenchOptions& options) {
  Work work = make_work(backend, options);
  Measured measured;
  measured.rest_mib = peak_mib_of(backend);
  for (int i = 0; i < warm_up_steps(options); ++i) take_step(backend, work);
  std::vector<double> seconds;
  for (Index i = 0; i < options.steps; ++i) seconds.push_back(seconds_of_step(backend, work));
  std::sort(seconds.begin(), seconds.end());
  measured.median_s = seconds[seconds.size() / 2];
  measured.min_s = seconds.front();
  measured.peak_mib = peak_mib_of(backend);
  return measured;
}

nlohmann::ordered_json measured_json(const BenchOptions& options, const Measured& measured) {
  nlohmann::ordered_json json = options_json(options);
  json["median_s"] = rounded(measured.median_s, 1e6);
  json["min_s"] = rounded(measured.min_s, 1e6);
  json["peak_mib"] = rounded(measured.peak_mib, 10);
  json["rest_mib"] = rounded(measured.rest_mib, 10);
  return json;
}

std::vector<double> first_losses(Backend& backend, const BenchOptions& options, int count) {
  Work work = make_work(backend, options);
  std::vector<double> losses;
  losses.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) losses.push_back(take_step(backend, work));
  return losses;
}

Profile profile_step(Backend& backend, Timings& timings, const BenchOptions& options) {
  Work work = make_work(backend, options);
  for (int i = 0; i < warm_up_steps(options); ++i) take_step(backend, work);
  std::vector<Profile> steps;
  for (Index i = 0; i < options.steps; ++i) {
    timings.clear();
    const double seconds = seconds_of_step(backend, work);
    steps.push_back({seconds, timings.uses()});
  }
  std::sort(steps.begin(), steps.end(),
            [](const Profile& a, const Profile& b) { return a.seconds < b.seconds; });
  return steps[steps.size() / 2];
}

}  // namespace duet::bench

#include "tools/bench/backward.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "engine/core/errors.h"
#include "tools/bench/work.h"

namespace duet::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr Index kWarmUpSteps = 2;

const char* coupling_name(bool coupled) { return coupled ? "coupled" : "detached"; }

// As run_step makes it, of a method that learns both tasks.
Step step_of(Backend& backend, const Work& work, Index number) {
  const MethodConfig& method = work.config.method;
  const TrainingConfig& training = work.config.training;
  return {backend,
          work.state.networks,
          work.batch,
          training.seed,
          static_cast<std::uint32_t>(number),
          ramp(method, number, training.iterations),
          training.bf16,
          training.recompute,
          ramp_share(method, number, training.iterations),
          work.state.teachers,
          Tasks{},
          0};
}

// One step without its optimisers; the gradients stay in the parameters.
BackwardCost run_backward(Backend& backend, const Work& work, Index number, bool merged) {
  for (const auto& network : work.state.networks) {
    for (const ParameterPtr& parameter : network->parameters()) parameter->clear_gradient();
  }
  BackwardCost cost;
  cost.rest_bytes = backend.memory->counters().live_bytes;
  std::vector<LossTerm> terms;
  for (NamedTerm& each : work.state.method->terms(step_of(backend, work, number)))
    terms.push_back(std::move(each.term));
  const std::size_t passes = merged ? 1 : terms.size(), of_each = terms.size() / passes;
  backend.wait();
  const auto start = Clock::now();
  for (std::size_t i = 0; i < passes; ++i) {
    BackwardOptions options;
    options.retain = i + 1 < passes;
    const BackwardStats stats = backward(backend, std::span(terms).subspan(i * of_each, of_each), options);
    cost.nodes += stats.nodes_visited;
    cost.additions += stats.additions;
    cost.peak_bytes = std::max(cost.peak_bytes, stats.peak_bytes);
  }
  backend.wait();
  cost.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return cost;
}

// Of each network.
std::vector<std::vector<double>> gradients_of(const Work& work) {
  std::vector<std::vector<double>> all;
  for (const auto& network : work.state.networks) {
    auto& values = all.emplace_back();
    for (const ParameterPtr& parameter : network->parameters()) {
      DUET_CHECK(parameter->has_gradient, "bench: no loss reaches ", parameter->name);
      const std::vector<double> more = to_values(parameter->gradient);
      values.insert(values.end(), more.begin(), more.end());
    }
  }
  return all;
}

double greatest_difference(const std::vector<std::vector<double>>& a,
                           const std::vector<std::vector<double>>& b) {
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    double difference = 0, greatest = 0;
    for (std::size_t k = 0; k < a[i].size(); ++k) {
      // A NaN must not pass for agreement, and max() would drop it.
      DUET_CHECK(std::isfinite(a[i][k]) && std::isfinite(b[i][k]), "bench: a gradient is not finite");
      difference = std::max(difference, std::abs(a[i][k] - b[i][k]));
      greatest = std::max(greatest, std::abs(a[i][k]));
    }
    if (greatest > 0) worst = std::max(worst, difference / greatest);
  }
  return worst;
}

BackwardCost of_median_time(std::vector<BackwardCost> steps) {
  std::sort(steps.begin(), steps.end(),
            [](const BackwardCost& a, const BackwardCost& b) { return a.seconds < b.seconds; });
  return steps[steps.size() / 2];
}

BackwardComparison compare_coupling(Backend& backend, const BenchOptions& options, bool coupled) {
  Work work = make_work(backend, options);
  work.config.method.coupled = coupled;
  work.state.method = make_method(work.config.method);
  BackwardComparison found;
  found.coupled = coupled;
  std::vector<BackwardCost> merged, separate;
  for (Index i = 0; i < kWarmUpSteps + options.steps; ++i) {
    std::vector<std::vector<double>> gradients;
    const BackwardCost one = run_backward(backend, work, i, true);
    if (i == 0) gradients = gradients_of(work);
    const BackwardCost other = run_backward(backend, work, i, false);
    if (i == 0) found.gradient_difference = greatest_difference(gradients, gradients_of(work));
    if (i < kWarmUpSteps) continue;
    merged.push_back(one);
    separate.push_back(other);
  }
  found.merged = of_median_time(std::move(merged));
  found.separate = of_median_time(std::move(separate));
  return found;
}

double mib(std::size_t bytes) { return static_cast<double>(bytes) / (1024.0 * 1024.0); }

nlohmann::ordered_json cost_json(const BackwardCost& cost) {
  return {{"median_s", cost.seconds},
          {"nodes", cost.nodes},
          {"additions", cost.additions},
          {"peak_bytes", cost.peak_bytes},
          {"peak_over_rest_bytes", cost.peak_over_rest()}};
}

}  // namespace

std::vector<BackwardComparison> compare_backward(Backend& backend, const BenchOptions& options) {
  DUET_CHECK(options.mode == "cotrain", "bench: a step of ", options.mode, " has no terms to compare");
  return {compare_coupling(backend, options, false), compare_coupling(backend, options, true)};
}

std::string backward_text(const std::vector<BackwardComparison>& found) {
  char buffer[240];
  std::snprintf(buffer, sizeof buffer, "%-9s %-9s %10s %7s %10s %10s %14s\n", "coupling", "backward",
                "median s", "nodes", "additions", "peak MiB", "over rest MiB");
  std::string out = buffer;
  const auto add_row = [&](const char* coupling, const char* way, const BackwardCost& cost) {
    std::snprintf(buffer, sizeof buffer, "%-9s %-9s %10.4f %7llu %10llu %10.1f %14.1f\n", coupling, way,
                  cost.seconds, static_cast<unsigned long long>(cost.nodes),
                  static_cast<unsigned long long>(cost.additions), mib(cost.peak_bytes),
                  mib(cost.peak_over_rest()));
    out += buffer;
  };
  for (const BackwardComparison& each : found) {
    add_row(coupling_name(each.coupled), "merged", each.merged);
    add_row("", "separate", each.separate);
  }
  for (const BackwardComparison& each : found) {
    std::snprintf(buffer, sizeof buffer,
                  "%s: separate takes %.2f times the time; gradients differ by %.1e of the greatest\n",
                  coupling_name(each.coupled), each.separate.seconds / each.merged.seconds,
                  each.gradient_difference);
    out += buffer;
  }
  return out;
}

nlohmann::ordered_json backward_json(const std::vector<BackwardComparison>& found) {
  auto json = nlohmann::ordered_json::array();
  for (const BackwardComparison& each : found) {
    json.push_back({{"coupling", coupling_name(each.coupled)},
                    {"merged", cost_json(each.merged)},
                    {"separate", cost_json(each.separate)},
                    {"time_ratio", each.separate.seconds / each.merged.seconds},
                    {"gradient_difference", each.gradient_difference}});
  }
  return json;
}

}  // namespace duet::bench

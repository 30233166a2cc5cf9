// Steps repeat: no memory asked of the system, no plan miss, the same bytes for the same seed.
#include <fstream>
#include <unistd.h>

#include "tests/cotrain/small_run.h"

using namespace duet;
using namespace duet::testing;

namespace {

double resident_mebibytes() {
  std::ifstream statm("/proc/self/statm");
  double pages = 0, resident = 0;
  statm >> pages >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

struct Mode {
  const char* method;
  NormKind norm;
  bool bf16, recompute;
};
constexpr Mode kModes[] = {
    {"supervised", NormKind::instance, false, false}, {"supervised", NormKind::batch, true, false},
    {"supervised", NormKind::batch, false, true},     {"udct", NormKind::instance, true, false},
    {"udct", NormKind::batch, false, false},          {"udct", NormKind::instance, true, true},
    {"mean_teacher", NormKind::batch, false, false},  {"mean_teacher", NormKind::instance, true, true},
    {"ua_mt", NormKind::batch, false, false},         {"ua_mt", NormKind::instance, true, false},
    {"cps", NormKind::batch, false, false},           {"cps", NormKind::instance, true, false}};

RunConfig config_of(const Mode& mode, const Backend& backend) {
  RunConfig config = small_config(mode.method, mode.norm);
  config.training.bf16 = mode.bf16 && backend.fast_bf16;  // elsewhere training falls back to f32
  config.training.recompute = mode.recompute;
  return config;
}

std::string name_of(const Mode& mode) {
  return text(mode.method, mode.norm == NormKind::batch ? " batch norm" : " instance norm",
              mode.bf16 ? " bf16" : " f32", mode.recompute ? " recompute" : "");
}

}  // namespace

TEST_CASE("from the third step no memory is asked of the system, none leaks, and every plan is there") {
  for (const Mode& mode : kModes) {
    INFO(name_of(mode));
    const auto backend = make_default_backend();
    RunConfig config = config_of(mode, *backend);
    config.training.iterations = 200;
    TrainingState state = make_training_state(*backend, config, 3);
    const TrainingData data = small_data(config);
    const SamplerConfig sampler = sampler_config(config, *state.method);
    WindowConfig windows = window_config(config);
    windows.samples = 4;  // with the uncertainty map
    auto one = [&](Index i) {
      const Batch batch =
          make_batch(*backend, sampler, data.labelled, data.unlabelled, static_cast<std::uint32_t>(i));
      run_step(*backend, config, state, batch, i);
    };
    one(0);
    const auto first_misses = backend->convolution->plan_counters().misses;
    one(1);
    CHECK(backend->convolution->plan_counters().misses == first_misses);
    const MemoryCounters before = backend->memory->counters();
    const double resident = resident_mebibytes();
    for (Index i = 2; i < 102; ++i) one(i);
    const MemoryCounters after = backend->memory->counters();
    CHECK(after.system_requests == before.system_requests);
    CHECK(after.live_bytes == before.live_bytes);
    CHECK(backend->convolution->plan_counters().misses == first_misses);
    const double growth = resident_mebibytes() - resident;
    INFO("resident memory grew by ", growth, " MiB in 100 steps");
    CHECK(growth < 1.0);

    // Prediction is a mode of its own.
    validate(*backend, state.networks, data.validation, 3, windows);
    validate(*backend, state.networks, data.validation, 3, windows);
    const auto requests = backend->memory->counters().system_requests;
    const auto misses = backend->convolution->plan_counters().misses;
    validate(*backend, state.networks, data.validation, 3, windows);
    CHECK(backend->memory->counters().system_requests == requests);
    CHECK(backend->convolution->plan_counters().misses == misses);
  }
}

TEST_CASE("two runs with one seed give the same bytes, another seed gives others") {
  for (const Mode& mode : kModes) {
    INFO(name_of(mode));
    std::vector<std::vector<double>> weights;
    for (std::uint64_t seed : {1u, 1u, 2u}) {
      const auto backend = make_default_backend();
      RunConfig config = config_of(mode, *backend);
      config.training.seed = seed;
      TrainingState state = make_training_state(*backend, config, 3);
      const TrainingData data = small_data(config);
      const SamplerConfig sampler = sampler_config(config, *state.method);
      for (Index i = 0; i < 4; ++i) {
        run_step(*backend, config, state,
                 make_batch(*backend, sampler, data.labelled, data.unlabelled, static_cast<std::uint32_t>(i)),
                 i);
      }
      weights.push_back(all_weights(state));
    }
    CHECK(weights[0] == weights[1]);
    CHECK(weights[0] != weights[2]);
  }
}

// Runs with the loader: the number of threads leaves no trace in any file, memory stands still, and the
// loader's threads open no team of their own.
#include "cotrain/data/loader.h"
#include "engine/core/parallel.h"
#include "tests/cotrain/small_run.h"
#include "tests/io/temporary_folder.h"
#include "tests/support/metrics_text.h"

using namespace duet;
using namespace duet::testing;

namespace {

namespace fs = std::filesystem;

void run_with(RunConfig config, Index threads, const RunFolder& run, bool resume, Index stop_after = -1) {
  config.training.loading_threads = threads;
  const auto backend = make_default_backend();
  TrainingEvents events;
  Index done = 0;
  events.stepped = [&](Index iteration, const StepReport&, double) { done = iteration; };
  events.should_stop = [&] { return stop_after >= 0 && done >= stop_after; };
  train(*backend, ConfigValues(run_schema()), config, run, small_data(config), resume, {}, events);
}

void check_same_run(const RunFolder& expected, const RunFolder& found) {
  CHECK(metrics_without_time(expected.metrics()) == metrics_without_time(found.metrics()));
  check_same_files(expected.path / "checkpoints", found.path / "checkpoints");
}

Index threads_of_process() {
  return std::distance(fs::directory_iterator("/proc/self/task"), fs::directory_iterator());
}

}  // namespace

TEST_CASE("no, one and three loading threads write the same bytes, broken off and resumed or not") {
  for (const std::string method : {"supervised", "udct"}) {
    const TemporaryFolder folder;
    RunConfig config = small_config(method);
    config.training.iterations = 8;
    config.training.validate_every = config.training.checkpoint_every = 4;
    config.augment.flip = {1, 1, 1};
    config.augment.rotate = 20;
    config.augment.scale = config.augment.noise = config.augment.gamma = 0.2;
    config.augment.elastic = config.augment.blur = 1;
    const RunFolder none = create_run(folder / "none"), parts = create_run(folder / "parts");
    run_with(config, 0, none, false);
    for (Index threads : {1, 3}) {
      INFO(method, " with ", threads, " threads");
      const RunFolder whole = create_run(folder / text("whole", threads));
      run_with(config, threads, whole, false);
      check_same_run(none, whole);
    }
    const Caught stopped = caught([&] { run_with(config, 3, parts, false, 3); });
    CHECK(stopped.code == ExitCode::interrupted);
    run_with(config, 1, parts, true);  // the number may change on the way
    check_same_run(none, parts);
  }
}

TEST_CASE("batches are those of make_batch, and a batch that is kept is not written again") {
  const auto backend = make_default_backend();
  const RunConfig config = small_config("udct");
  const TrainingData data = small_data(config);
  const SamplerConfig sampler = sampler_config(config, *make_method(config.method));
  BatchLoader loader(batch_maker(*backend, sampler, data.labelled, data.unlabelled), 3, 13, loader_config(2));
  std::vector<Batch> kept;
  for (Index step = 3; step < 13; ++step) kept.push_back(loader.next());
  for (std::uint32_t step = 3; step < 13; ++step) {
    const Batch expected = make_batch(*backend, sampler, data.labelled, data.unlabelled, step);
    const Batch& batch = kept[step - 3];
    CHECK(to_values(batch.image) == to_values(expected.image));
    CHECK(to_values(batch.valid) == to_values(expected.valid));
    CHECK(to_values(batch.labels) == to_values(expected.labels));
    CHECK(batch.case_ids == expected.case_ids);
    CHECK(batch.labelled == expected.labelled);
  }
}

TEST_CASE("with a loader no memory is asked of the system from the third step") {
  for (Index threads : {0, 1, 3}) {
    const auto backend = make_default_backend();
    const RunConfig config = small_config("udct");
    TrainingState state = make_training_state(*backend, config, 3);
    const TrainingData data = small_data(config);
    BatchLoader loader(
        batch_maker(*backend, sampler_config(config, *state.method), data.labelled, data.unlabelled), 0, 1000,
        loader_config(threads));
    auto one = [&](Index i) { run_step(*backend, config, state, loader.next(), i); };
    one(0);
    one(1);
    const MemoryCounters before = backend->memory->counters();
    for (Index i = 2; i < 12; ++i) one(i);
    const MemoryCounters after = backend->memory->counters();
    CHECK(after.system_requests == before.system_requests);
    CHECK(after.live_bytes == before.live_bytes);
  }
}

TEST_CASE("a loading thread works alone: no second team of threads beside the step's") {
  const auto backend = make_default_backend();
  const RunConfig config = small_config("udct");
  const TrainingData data = small_data(config);
  parallel_for(64, [](Index) {});  // the step's own team
  const Index before = threads_of_process();
  BatchLoader loader(batch_maker(*backend, sampler_config(config, *make_method(config.method)), data.labelled,
                                 data.unlabelled),
                     0, 20, loader_config(1));
  for (int i = 0; i < 10; ++i) loader.next();
  CHECK(threads_of_process() <= before + 1);
}

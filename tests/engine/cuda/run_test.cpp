// Whole runs on the CUDA room: batches are uploaded beside the steps, and steps that repeat are replayed.
#include "engine/backend/cuda/cuda.h"
#include "engine/backend/cuda/replay.h"
#include "engine/backend/ref/ref.h"
#include "tests/cotrain/run_losses.h"
#include "tests/engine/cuda/host_driver.h"

namespace duet::testing {

TEST_CASE("a run uploads every batch beside the steps") {
  constexpr Index kSteps = 4;
  HostDriver* driver = nullptr;
  const auto cuda = make_host_cuda(&driver);
  losses_of_run(*cuda, "udct", kSteps);
  CHECK(driver->calls.uploads_beside == kSteps * 3);
}

// Of a run of `steps` steps behind a Replay, whose losses are to be those of a run without. No loading
// thread: whether a batch is uploaded ahead, and lies elsewhere, would depend on the clock.
cuda::ReplayCounters replay_run(const std::string& method, Index steps) {
  const auto plain = make_host_cuda();
  const auto host = std::make_shared<HostDriver>();
  host->library_workspace = 4096;
  const auto replay = std::make_shared<cuda::Replay>(host);
  const auto replayed = cuda::make_backend(replay);
  CHECK(losses_of_run(*replayed, method, steps, 0) == losses_of_run(*plain, method, steps, 0));
  return replay->counters();
}

TEST_CASE("replayed steps are the steps") {
  for (const std::string method : {"supervised", "mean_teacher", "ua_mt", "cps", "udct"}) {
    INFO(method);
    const cuda::ReplayCounters counters = replay_run(method, 8);
    CHECK(counters.replayed > counters.alone);
  }
}

// As tensors come to lie where they lay a step or two before.
TEST_CASE("once steps repeat, nearly all work is replayed, with few arguments exchanged") {
  const cuda::ReplayCounters some = replay_run("udct", 6), more = replay_run("udct", 12);
  const auto alone = more.alone - some.alone, replayed = more.replayed - some.replayed;
  MESSAGE("six steps: " << alone << " works alone, " << replayed << " replayed, "
                        << more.exchanged - some.exchanged << " exchanged; " << more.recordings
                        << " recordings in all");
  CHECK(replayed > 9 * alone);
  CHECK(more.exchanged - some.exchanged < replayed / 10);
  CHECK(more.recordings < some.recordings + 10);
}

}  // namespace duet::testing

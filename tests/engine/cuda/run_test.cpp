// A whole run on the CUDA room uploads its batches beside the steps.
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

}  // namespace duet::testing

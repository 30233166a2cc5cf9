// The CUDA room, three times: with a library that convolves, with one that has no engine for anything, so
// that the room's own kernels do all the work, and with rows of work held back and replayed.
#include "engine/backend/cuda/cuda.h"
#include "engine/backend/cuda/replay.h"
#include "engine/backend/ref/ref.h"
#include "tests/engine/cuda/host_driver.h"
#include "tests/support/backends.h"

namespace duet::testing {

std::vector<std::string> tested_backends() {
  return {"cuda on the host", "cuda without a library", "cuda, replayed", "ref"};
}

std::unique_ptr<Backend> make_tested(const std::string& name) {
  if (name == "ref") return make_ref_backend();
  if (name == "cuda, replayed") {
    auto host = std::make_shared<HostDriver>();
    host->library_workspace = 4096;
    return cuda::make_backend(std::make_shared<cuda::Replay>(std::move(host)));
  }
  HostDriver* driver = nullptr;
  auto backend = make_host_cuda(&driver);
  driver->takes_convolutions = name == "cuda on the host";
  return backend;
}

}  // namespace duet::testing

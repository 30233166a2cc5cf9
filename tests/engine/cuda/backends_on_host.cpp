// The CUDA room, twice: with a library that convolves, and with one that has no engine for anything, so that
// the room's own kernels do all the work.
#include "engine/backend/ref/ref.h"
#include "tests/engine/cuda/host_driver.h"
#include "tests/support/backends.h"

namespace duet::testing {

std::vector<std::string> tested_backends() { return {"cuda on the host", "cuda without a library", "ref"}; }

std::unique_ptr<Backend> make_tested(const std::string& name) {
  if (name == "ref") return make_ref_backend();
  HostDriver* driver = nullptr;
  auto backend = make_host_cuda(&driver);
  driver->takes_convolutions = name == "cuda on the host";
  return backend;
}

}  // namespace duet::testing

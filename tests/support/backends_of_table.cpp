#include "engine/backend/table.h"
#include "tests/support/backends.h"

namespace duet::testing {

std::vector<std::string> tested_backends() { return backend_names(); }
// A GPU's convolutions are chosen without a clock, as tests compare bytes.
std::unique_ptr<Backend> make_tested(const std::string& name) {
  if (name != "cuda") return make_backend(name);
  cuda::DeviceOptions options;
  options.deterministic = true;
  return make_cuda(0, options);
}

}  // namespace duet::testing

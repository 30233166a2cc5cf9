#include "engine/backend/table.h"
#include "tests/support/backends.h"

namespace duet::testing {

std::vector<std::string> tested_backends() {
  std::vector<std::string> names = backend_names();
  if (names.back() == "cuda") names.push_back("cuda graphs");
  return names;
}
// A GPU's convolutions are chosen without a clock, as tests compare bytes.
std::unique_ptr<Backend> make_tested(const std::string& name) {
  if (name.rfind("cuda", 0) != 0) return make_backend(name);
  cuda::DeviceOptions options;
  options.deterministic = true;
  options.graphs = name == "cuda graphs";
  return make_cuda(0, options);
}

}  // namespace duet::testing

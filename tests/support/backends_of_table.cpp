#include "engine/backend/table.h"
#include "tests/support/backends.h"

namespace duet::testing {

std::vector<std::string> tested_backends() { return backend_names(); }
std::unique_ptr<Backend> make_tested(const std::string& name) { return make_backend(name); }

}  // namespace duet::testing

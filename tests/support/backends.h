// The backends under test, one of each name for a whole test program. Their memory is poisoned: every buffer
// handed out is filled with NaN, so a kernel that reads what nobody wrote shows.
//
// Which they are is settled by what a program links: backends_of_table.cpp (those of this build that can run
// here) or engine/cuda/backends_on_host.cpp (the CUDA room over a driver on the host, beside ref).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/kernels/backend.h"

namespace duet::testing {

// Names, "ref" among them.
std::vector<std::string> tested_backends();
std::unique_ptr<Backend> make_tested(const std::string& name);

inline std::unique_ptr<Backend> make_first_tested() { return make_tested(tested_backends().front()); }

inline Backend& backend_of(const std::string& name) {
  static std::map<std::string, std::unique_ptr<Backend>> made;
  std::unique_ptr<Backend>& backend = made[name];
  if (!backend) {
    backend = make_tested(name);
    backend->memory->set_poison(true);
  }
  return *backend;
}

inline Backend& ref_backend() { return backend_of("ref"); }

// All but ref.
inline std::vector<std::string> other_backends() {
  std::vector<std::string> names;
  for (const std::string& name : tested_backends()) {
    if (name != "ref") names.push_back(name);
  }
  return names;
}

}  // namespace duet::testing

// One backend of each name for a whole test program. Its memory is poisoned: every buffer handed out is
// filled with NaN, so a kernel that reads what nobody wrote shows.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/backend/table.h"

namespace duet::testing {

inline Backend& backend_of(const std::string& name) {
  static std::map<std::string, std::unique_ptr<Backend>> made;
  std::unique_ptr<Backend>& backend = made[name];
  if (!backend) {
    backend = make_backend(name);
    backend->memory->set_poison(true);
  }
  return *backend;
}

inline Backend& ref_backend() { return backend_of("ref"); }

// All of this build but ref.
inline std::vector<std::string> other_backends() {
  std::vector<std::string> names;
  for (const std::string& name : backend_names()) {
    if (name != "ref") names.push_back(name);
  }
  return names;
}

}  // namespace duet::testing

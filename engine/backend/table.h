// The backend table: which backends this build has, and how to make one. The only file with an #if on a
// backend is table.cpp.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/backend/onednn/floor.h"
#include "engine/kernels/backend.h"

namespace duet {

// Names in order of preference on the CPU: "onednn" (when built), "ref".
std::vector<std::string> backend_names();

// Throws Error(device) naming what this build has.
std::unique_ptr<Backend> make_backend(const std::string& name);

// The first of backend_names().
std::unique_ptr<Backend> make_default_backend();

// A convolution timed alone in the vendor's library; empty where this build has none, or it has no such
// primitive.
std::optional<AloneTime> convolution_alone(const AloneRequest& request);

// Vendor libraries and their versions, one a line ("oneDNN 2.6.3").
std::vector<std::string> vendor_versions();

}  // namespace duet

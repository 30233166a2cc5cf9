// The backend table: which backends this build has, and how to make one. The only file with an #if on a
// backend is table.cpp.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/backend/cuda/device.h"
#include "engine/backend/onednn/floor.h"
#include "engine/kernels/backend.h"

namespace duet {

// Names in order of preference on the CPU: "onednn" (when built), "ref"; then "cuda" when built, on a machine
// with a GPU and its libraries, for which it looks.
std::vector<std::string> backend_names();

// Throws Error(device) naming what there is. "cuda" is the first GPU, with no options.
std::unique_ptr<Backend> make_backend(const std::string& name);

// The first of backend_names(), on the CPU; no library of a GPU is looked for.
std::unique_ptr<Backend> make_default_backend();

// The backend on GPU number `device`. Throws Error(device) saying in one line why there is none, or none of
// that number.
std::unique_ptr<Backend> make_cuda(int device, const cuda::DeviceOptions& options = {});
// Whether this build has the CUDA backend.
bool built_with_cuda();
// Why there is no GPU to work on, in one line: not built, no driver, no device, no cuBLAS or cuDNN. Empty
// where there is one. Looks for the driver first, and opens the libraries only where there is a GPU.
std::string cuda_absence();

// A convolution timed alone in the vendor's library; empty where this build has none, or it has no such
// primitive.
std::optional<AloneTime> convolution_alone(const AloneRequest& request);

// Vendor libraries and their versions, one a line ("oneDNN 2.6.3"); oneDNN first. Those of a GPU are the ones
// in use, or before it is in use the ones of this build: nothing is opened.
std::vector<std::string> vendor_versions();

}  // namespace duet

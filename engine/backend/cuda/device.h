// The real Driver: one NVIDIA GPU through the CUDA runtime, cuBLAS and cuDNN. Called by
// engine/backend/table.cpp. No vendor header is seen from here, so that this may be included anywhere.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/backend/cuda/driver.h"

namespace duet::cuda {

struct DeviceOptions {
  // Products of f32 in TF32, on tensor cores: 10 bits of mantissa, several times as fast.
  bool tf32 = false;
  // Only algorithms whose sums have a fixed order, chosen without a clock: the same bytes in every run on one
  // kind of card and one version of the libraries.
  bool deterministic = false;
  std::string plan_cache;  // file that keeps the convolutions chosen (plan_file.h); empty: none
  bool graphs = false;     // rows of kernels that come again are launched as CUDA graphs (replay.h)

  friend bool operator==(const DeviceOptions&, const DeviceOptions&) = default;
};

// GPUs that this process may use; opens the driver and no other library. 0 where there is none; `why`, where
// given, then says so in one line.
int device_count(std::string* why = nullptr) noexcept;

// "NVIDIA H100 80GB HBM3"; empty where there is no such device.
std::string device_name(int device);

// Bytes that the device could give now, to all who ask; 0 where it is not known.
std::size_t free_memory(int device);

// Opens cuBLAS and cuDNN, which making a driver does, too. Empty where they are there, else why not, in one
// line.
std::string libraries_absence();

// "CUDA 13.0", "cuBLAS 13.0.2", "cuDNN 9.19.0": of the libraries in use; before a driver is made, of those
// that this was built with. Opens nothing.
std::vector<std::string> library_versions();

// Makes the driver of a device, or hands out the one in use with the same options. Throws Error(device) where
// there is no such device or a library does not start.
std::shared_ptr<Driver> make_device_driver(int device, const DeviceOptions& options);

}  // namespace duet::cuda

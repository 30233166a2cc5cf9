// The CUDA room: every kernel group on an NVIDIA GPU. All of it works through a Driver (driver.h).
#pragma once

#include <memory>
#include <string>

#include "engine/backend/cuda/driver.h"
#include "engine/kernels/backend.h"

namespace duet::cuda {

// All groups on one driver and its memory.
std::unique_ptr<Backend> make_backend(const std::shared_ptr<Driver>& driver);

// The groups one by one; `memory` is the device's, for scratch.
struct Room {
  std::shared_ptr<Driver> driver;
  Memory memory;
};

// Calls of the library, with a workspace from the room's memory: given back at once, as whoever has it next
// works on the same stream, behind this. convolve() is false where the library has no engine: nothing is
// written then, and own kernels run.
void multiply(const Room& room, const GemmCall& call);
bool convolve(const Room& room, const ConvCall& call);

std::unique_ptr<ConvolutionKernels> make_convolution(const Room& room);
std::unique_ptr<NormKernels> make_norm(const Room& room);
std::unique_ptr<PointwiseKernels> make_pointwise(const Room& room);
std::unique_ptr<RegionKernels> make_region(const Room& room);
std::unique_ptr<LossKernels> make_loss(const Room& room);
std::unique_ptr<OptimiserKernels> make_optimiser(const Room& room);
std::unique_ptr<SamplingKernels> make_sampling(const Room& room);

}  // namespace duet::cuda

// The reference backend: plain C++ loops on the host, read as the textbook of every kernel. Called by
// engine/backend/table.cpp; engine/backend/onednn composes its backend from these groups and overrides the
// convolutions only. Results never depend on the number of threads.
#pragma once

#include <memory>

#include "engine/kernels/backend.h"
#include "engine/memory/allocator.h"

namespace duet {

// All groups on one caching allocator of host memory.
std::unique_ptr<Backend> make_ref_backend();

// The groups one by one; each may take scratch memory from the allocator.
std::unique_ptr<ConvolutionKernels> make_ref_convolution(std::shared_ptr<Allocator> memory);
std::unique_ptr<NormKernels> make_ref_norm(std::shared_ptr<Allocator> memory);
std::unique_ptr<PointwiseKernels> make_ref_pointwise(std::shared_ptr<Allocator> memory);
std::unique_ptr<RegionKernels> make_ref_region();
std::unique_ptr<LossKernels> make_ref_loss(std::shared_ptr<Allocator> memory);
std::unique_ptr<OptimiserKernels> make_ref_optimiser();
std::unique_ptr<SamplingKernels> make_ref_sampling();

}  // namespace duet

// A row of works as a CUDA graph: one launch queues all of it. Called by device.cpp.
#pragma once

#include <cuda_runtime.h>

#include "engine/backend/cuda/work.h"

namespace duet::cuda {

// Arguments as the runtime takes them, and the kernel ready for its shared memory. Throws Error(device).
class KernelCall {
 public:
  KernelCall(const Launch& launch, const void* kernel, Arguments arguments);
  void** arguments() const { return const_cast<void**>(pointers_); }  // which are read only

 private:
  static constexpr std::size_t kMost = 8;
  void* pointers_[kMost];
};

// Kernels and fills become nodes whose arguments can be exchanged; calls of a library are queued on `stream`
// by `driver` and captured as they are. All of it ran there before, as a capture may load nothing. Empty,
// after one line on stderr, where the library or the driver does not take part.
std::unique_ptr<Recording> record_graph(cudaStream_t stream, const std::vector<Work>& works, Driver& driver);

}  // namespace duet::cuda

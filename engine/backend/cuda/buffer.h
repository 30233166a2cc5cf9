// Device memory of the libraries' own: workspaces, and stand-ins for operands while plans are timed. Tensors
// and scratch of the room come from the Allocator instead. Included by the sources that call CUDA only.
#pragma once

#include <cstddef>

#include "engine/backend/cuda/status.h"

namespace duet::cuda {

// nullptr where the card has no such memory.
inline void* allocate_device(std::size_t bytes) {
  void* pointer = nullptr;
  const cudaError_t status = cudaMalloc(&pointer, bytes);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // else the next launch would report it
    return nullptr;
  }
  check(status, "cudaMalloc");
  return pointer;
}

// After what is queued on `stream`. Never throws: errors of the work queued show in the next call that waits.
inline void free_device(void* pointer, cudaStream_t stream) noexcept {
  if (!pointer) return;
  cudaStreamSynchronize(stream);
  cudaFree(pointer);
}

class Buffer {
 public:
  explicit Buffer(cudaStream_t stream) : stream_(stream) {}
  ~Buffer() { free_device(pointer_, stream_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  // At least `bytes`; what was there is lost. False where the card has no such memory; it is empty then.
  bool reserve(std::size_t bytes) {
    if (bytes <= bytes_) return true;
    free_device(pointer_, stream_);
    bytes_ = 0;
    pointer_ = allocate_device(bytes);
    if (pointer_) bytes_ = bytes;
    return pointer_ != nullptr;
  }
  void* data() const { return pointer_; }

 private:
  cudaStream_t stream_;
  void* pointer_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace duet::cuda

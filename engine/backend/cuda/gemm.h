// Products of matrices through cuBLAS. Called by device.cpp and plans.cpp.
#pragma once

#include "engine/backend/cuda/buffer.h"
#include "engine/backend/cuda/driver.h"

namespace duet::cuda {

// All work is queued on one stream. The workspace is fixed from the start, so that cuBLAS chooses the same
// algorithm, and gives the same bytes, each time.
class Blas {
 public:
  Blas(cudaStream_t stream, bool tf32);
  ~Blas();
  Blas(const Blas&) = delete;
  Blas& operator=(const Blas&) = delete;

  // f32 and f64 throughout, or inputs in bf16 and output in bf16 or f32. Throws EngineError for other types.
  void gemm(const GemmCall&);
  // y += x; elements of f32, f64 or bf16.
  void add(Index elements, const void* x, void* y, DType type);

 private:
  cublasHandle_t handle_ = nullptr;
  Buffer workspace_;
  bool tf32_;
};

}  // namespace duet::cuda

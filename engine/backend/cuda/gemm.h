// Products of matrices through cuBLAS. Called by device.cpp and plans.cpp.
#pragma once

#include "engine/backend/cuda/driver.h"
#include "engine/backend/cuda/status.h"

namespace duet::cuda {

// Bytes of workspace that a product is given. They depend on its sizes alone, so that cuBLAS chooses the same
// algorithm, and gives the same bytes, each time.
std::size_t workspace_bytes(const GemmCall&);

// All work is queued on one stream.
class Blas {
 public:
  Blas(cudaStream_t stream, bool tf32);
  ~Blas();
  Blas(const Blas&) = delete;
  Blas& operator=(const Blas&) = delete;

  // f32 and f64 throughout, or inputs in bf16 and output in bf16 or f32. Throws EngineError for other types.
  // m and n are at least 1.
  void gemm(const GemmCall&, void* workspace);
  // y += x; elements of f32, f64 or bf16.
  void add(Index elements, const void* x, void* y, DType type);

 private:
  cublasHandle_t handle_ = nullptr;
  bool tf32_;
};

}  // namespace duet::cuda

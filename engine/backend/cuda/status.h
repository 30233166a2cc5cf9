// What the vendors' libraries return, as errors: Error(device) naming the call and what the library says.
// Included by the sources that call them only.
#pragma once

#include <array>
#include <cuda_runtime_api.h>

#include "engine/backend/cuda/libraries.h"
#include "engine/core/errors.h"

namespace duet::cuda {

inline void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  throw Error(ExitCode::device,
              text("CUDA: ", what, ": ", cudaGetErrorString(status), " (", cudaGetErrorName(status), ")"));
}

inline void check(cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw Error(ExitCode::device, text("cuBLAS: ", what, ": ", cublas().status_text(status)));
}

inline void check(cudnnStatus_t status, const char* what) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  std::array<char, 512> more{};
  cudnn().last_error(more.data(), more.size() - 1);
  throw Error(ExitCode::device,
              text("cuDNN: ", what, ": ", cudnn().status_text(status), more[0] ? ": " : "", more.data()));
}

}  // namespace duet::cuda

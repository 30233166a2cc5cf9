// What the vendors' libraries return, as errors: Error(device) naming the call and what the library says.
// Included by the sources that call them only.
#pragma once

#include <array>
#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>

#include "engine/core/errors.h"

namespace duet::cuda {

inline void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  throw Error(ExitCode::device,
              text("CUDA: ", what, ": ", cudaGetErrorString(status), " (", cudaGetErrorName(status), ")"));
}

inline void check(cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw Error(ExitCode::device, text("cuBLAS: ", what, ": ", cublasGetStatusString(status)));
}

inline void check(cudnnStatus_t status, const char* what) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  std::array<char, 512> more{};
  cudnnGetLastErrorString(more.data(), more.size() - 1);
  throw Error(ExitCode::device,
              text("cuDNN: ", what, ": ", cudnnGetErrorString(status), more[0] ? ": " : "", more.data()));
}

}  // namespace duet::cuda

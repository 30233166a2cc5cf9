// cuBLAS and cuDNN, opened at their first use: they take a third of a second and 200 MB at the start of a
// program, which a run on the CPU does without. Their headers give the types; nothing links them. (The CUDA
// runtime is linked, statically, and opens the driver at its own first use.) Included by the sources that
// call them only.
#pragma once

#include <cublas_v2.h>
#include <cudnn.h>
#include <string>

namespace duet::cuda {

// A shared library that stays open to the end of the process. Throws Error(device) where it is not there, or
// lacks a function.
class Library {
 public:
  // "libcudnn.so.9": searched for as the dynamic linker does, the folders known at build (rpath) included.
  explicit Library(const std::string& name);

 protected:
  // Becomes whatever kind of function it is kept as.
  struct Function {
    void* address;
    template <class F>
    operator F*() const {
      return reinterpret_cast<F*>(address);
    }
  };
  Function get(const char* function) const;

 private:
  void* handle_;  // of the process: never closed
};

struct Cublas : Library {
  Cublas();
  decltype(&cublasCreate_v2) create = get("cublasCreate_v2");
  decltype(&cublasDestroy_v2) destroy = get("cublasDestroy_v2");
  decltype(&cublasSetStream_v2) set_stream = get("cublasSetStream_v2");
  decltype(&cublasSetMathMode) set_math_mode = get("cublasSetMathMode");
  decltype(&cublasSetWorkspace_v2) set_workspace = get("cublasSetWorkspace_v2");
  decltype(&cublasGemmEx_64) gemm = get("cublasGemmEx_64");
  decltype(&cublasAxpyEx_64) axpy = get("cublasAxpyEx_64");
  decltype(&cublasGetProperty) property = get("cublasGetProperty");
  decltype(&cublasGetStatusString) status_text = get("cublasGetStatusString");
};

struct Cudnn : Library {
  Cudnn();
  decltype(&cudnnCreate) create = get("cudnnCreate");
  decltype(&cudnnDestroy) destroy = get("cudnnDestroy");
  decltype(&cudnnSetStream) set_stream = get("cudnnSetStream");
  decltype(&cudnnGetVersion) version = get("cudnnGetVersion");
  decltype(&cudnnGetErrorString) status_text = get("cudnnGetErrorString");
  decltype(&cudnnGetLastErrorString) last_error = get("cudnnGetLastErrorString");
  decltype(&cudnnBackendCreateDescriptor) create_descriptor = get("cudnnBackendCreateDescriptor");
  decltype(&cudnnBackendDestroyDescriptor) destroy_descriptor = get("cudnnBackendDestroyDescriptor");
  decltype(&cudnnBackendSetAttribute) set_attribute = get("cudnnBackendSetAttribute");
  decltype(&cudnnBackendGetAttribute) get_attribute = get("cudnnBackendGetAttribute");
  decltype(&cudnnBackendFinalize) finalize = get("cudnnBackendFinalize");
  decltype(&cudnnBackendExecute) execute = get("cudnnBackendExecute");
};

// Opened by the first call that succeeds.
const Cublas& cublas();
const Cudnn& cudnn();

// "cuBLAS 13.1.0", "cuDNN 9.19.0": of the library where it is open, else of the headers; opens nothing.
std::string cublas_version();
std::string cudnn_version();

}  // namespace duet::cuda

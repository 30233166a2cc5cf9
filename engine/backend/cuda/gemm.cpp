#include "engine/backend/cuda/gemm.h"

#include <algorithm>

namespace duet::cuda {
namespace {

// cuBLAS advises 32 MiB for Hopper. They are for sums over k in parts, which long ones of small results need.
constexpr std::size_t kWorkspace = std::size_t{32} << 20;
constexpr std::size_t kLeastWorkspace = std::size_t{64} << 10;
constexpr Index kMostParts = 128, kShort = 256;

cudaDataType_t type_of(DType type) {
  switch (type) {
    case DType::f32:
      return CUDA_R_32F;
    case DType::f64:
      return CUDA_R_64F;
    case DType::bf16:
      return CUDA_R_16BF;
    default:
      throw EngineError(text("gemm: matrices of ", name_of(type)));
  }
}

// A factor in the type that cuBLAS computes in.
class Factor {
 public:
  Factor(double value, bool wide) : narrow_(static_cast<float>(value)), value_(value), wide_(wide) {}
  const void* get() const {
    return wide_ ? static_cast<const void*>(&value_) : static_cast<const void*>(&narrow_);
  }

 private:
  float narrow_;
  double value_;
  bool wide_;
};

}  // namespace

std::size_t workspace_bytes(const GemmCall& g) {
  if (g.k <= kShort) return kLeastWorkspace;
  const Index most = static_cast<Index>(kWorkspace) / (kMostParts * 4);
  if (g.m > most / g.n) return kWorkspace;
  return std::max(kLeastWorkspace, static_cast<std::size_t>(g.m * g.n * 4 * kMostParts));
}

Blas::Blas(cudaStream_t stream, bool tf32) : tf32_(tf32) {
  check(cublas().create(&handle_), "cublasCreate");
  check(cublas().set_stream(handle_, stream), "cublasSetStream");
  // Sums in f32 also where cuBLAS would add partial ones up in bf16.
  check(cublas().set_math_mode(handle_,
                               static_cast<cublasMath_t>(CUBLAS_DEFAULT_MATH |
                                                         CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION)),
        "cublasSetMathMode");
}

Blas::~Blas() { cublas().destroy(handle_); }

// cuBLAS takes matrices column by column, that is, transposed: C^T (n, m) = B^T A^T, so A and B change
// places.
void Blas::gemm(const GemmCall& g, void* workspace) {
  const bool narrow = g.inputs == DType::bf16;
  DUET_CHECK(g.output == g.inputs || (narrow && g.output == DType::f32), "gemm: ", name_of(g.output), " of ",
             name_of(g.inputs));
  const bool wide = g.inputs == DType::f64;
  const Factor alpha(1.0, wide), beta(g.beta, wide);
  const cublasComputeType_t compute = wide               ? CUBLAS_COMPUTE_64F
                                      : tf32_ && !narrow ? CUBLAS_COMPUTE_32F_FAST_TF32
                                                         : CUBLAS_COMPUTE_32F;
  const auto turned = [](bool transposed) { return transposed ? CUBLAS_OP_T : CUBLAS_OP_N; };
  const cudaDataType_t inputs = type_of(g.inputs);
  check(cublas().set_workspace(handle_, workspace, workspace_bytes(g)), "cublasSetWorkspace");
  check(cublas().gemm(handle_, turned(g.transpose_b), turned(g.transpose_a), g.n, g.m, g.k, alpha.get(), g.b,
                      inputs, g.transpose_b ? g.k : g.n, g.a, inputs, g.transpose_a ? g.m : g.k, beta.get(),
                      g.c, type_of(g.output), g.n, compute, CUBLAS_GEMM_DEFAULT),
        "cublasGemmEx");
}

// Needs no workspace: what gemm left set is somebody else's by now.
void Blas::add(Index elements, const void* x, void* y, DType type) {
  const bool wide = type == DType::f64;
  const Factor one(1.0, wide);
  const cudaDataType_t compute = wide ? CUDA_R_64F : CUDA_R_32F, stored = type_of(type);
  check(cublas().axpy(handle_, elements, one.get(), compute, x, stored, 1, y, stored, 1, compute),
        "cublasAxpyEx");
}

}  // namespace duet::cuda

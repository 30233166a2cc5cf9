// One device in use: its memory and one implementation of every group of kernels. Made by
// engine/backend/table.h, passed by reference to ops and trainers; outlives the tensors made with it. A
// kernel missing in a backend does not compile.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "engine/kernels/clock.h"
#include "engine/kernels/convolution.h"
#include "engine/kernels/loss.h"
#include "engine/kernels/norm.h"
#include "engine/kernels/optimiser.h"
#include "engine/kernels/pointwise.h"
#include "engine/kernels/region.h"
#include "engine/kernels/sampling.h"
#include "engine/tensor/tensor.h"

namespace duet {

// Work done, counted by the ops; tests assert on it.
struct WorkCounters {
  unsigned long long conv_samples = 0;  // forward convolutions, transposed ones too, times samples
};

struct Backend {
  std::string name;
  std::shared_ptr<Allocator> memory;
  std::shared_ptr<Allocator> host;     // for what the host makes and reads; `memory` itself on the CPU
  std::shared_ptr<Allocator> staging;  // host memory that upload_beside reads; `host` on the CPU
  std::unique_ptr<ConvolutionKernels> convolution;
  std::unique_ptr<NormKernels> norm;
  std::unique_ptr<PointwiseKernels> pointwise;
  std::unique_ptr<RegionKernels> region;
  std::unique_ptr<LossKernels> loss;
  std::unique_ptr<OptimiserKernels> optimiser;
  std::unique_ptr<SamplingKernels> sampling;
  WorkCounters work;
  std::function<void()> wait = [] {};  // until all work given to the device is done
  // A place after all work given to the device so far, and the seconds of the device between two of them,
  // which waits for the second.
  std::function<Mark()> mark = host_mark;
  std::function<double(const Mark& from, const Mark& to)> seconds = host_seconds;
  // Copies from `staging` to `memory` beside the device's work: after all that it was given before, and
  // before all that it is given after await_uploads(). What is copied must stay until some of that is waited
  // for. Empty on the CPU.
  std::function<void(void* to, const void* from, std::size_t bytes)> upload_beside = nullptr;
  std::function<void()> await_uploads = [] {};
  bool fast_bf16 = false;  // whether bf16 activations are worth having on this device

  Tensor empty(const Shape& shape, DType dtype, const char* who = "tensor") const {
    return Tensor(memory, shape, dtype, who);
  }
  Tensor filled(const Shape& shape, DType dtype, double value, const char* who = "tensor") const {
    Tensor tensor = empty(shape, dtype, who);
    pointwise->fill(tensor.view(), value);
    return tensor;
  }
};

}  // namespace duet

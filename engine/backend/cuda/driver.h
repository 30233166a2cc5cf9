// The thin shim under the CUDA room: everything that reaches the card goes through a Driver. device.cpp makes
// the real one (CUDA runtime, cuBLAS, cuDNN); tests replace it by one that records each call and runs the
// same functors on the host. All work is queued on one stream, in order,
// but for uploads beside it.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/backend/cuda/geometry.h"
#include "engine/kernels/clock.h"
#include "engine/kernels/convolution.h"
#include "engine/memory/scratch.h"

namespace duet::cuda {

// Where the libraries' workspaces come from: the allocator of the tensors, so that limits, counters and
// errors of it see them.
using Memory = std::shared_ptr<Allocator>;

struct Launch {
  const char* name;  // of the kernel, for traces and tests
  Geometry geometry;
  Index items;  // pieces of work that the kernel goes over
};

// What a kernel is called with, one by one: values that can be copied as bytes.
struct Argument {
  const void* data;
  std::size_t bytes;
};
using Arguments = std::span<const Argument>;

// C (m, n) = A B + beta C, row-major and dense. A is (m, k), or (k, m) where transposed; likewise B. a, b of
// `inputs`; c of `output`. Sums are made in f32 (of f64 in f64).
struct GemmCall {
  Index m, n, k;
  bool transpose_a = false, transpose_b = false;
  DType inputs = DType::f32, output = DType::f32;
  const void *a, *b;
  void* c;
  double beta = 0.0;

  friend bool operator==(const GemmCall&, const GemmCall&) = default;
};

// One pass of a convolution in NDHWC: what is read (two of x, w, y) and what is written (the third); the
// result = or += (beta 1). Activations x, y of one type; `weights` is the type of w.
struct ConvCall {
  ConvPass pass;
  Conv3dSpec spec;
  Shape x, w, y;
  DType activations = DType::f32, weights = DType::f32;
  const void *first, *second;  // forward: x, w; data: y's gradient, w; weights: x, y's gradient
  void* result;
  Accum accum = Accum::write;

  friend bool operator==(const ConvCall&, const ConvCall&) = default;
};

// What the library runs for a convolution, and the bytes of workspace that takes.
struct ConvChoice {
  std::shared_ptr<const void> plan;  // empty: the library has no engine for it
  std::size_t workspace = 0;

  friend bool operator==(const ConvChoice&, const ConvChoice&) = default;
};

class Recording;  // work.h
struct Work;

class Driver {
 public:
  virtual ~Driver() = default;

  // Device memory; nullptr when there is none. Aligned to 256 bytes.
  virtual void* allocate(std::size_t bytes) = 0;
  virtual void release(void* pointer) = 0;
  // Between host and device, in the order of the stream; download waits.
  virtual void upload(void* to, const void* from, std::size_t bytes) = 0;
  virtual void download(void* to, const void* from, std::size_t bytes) = 0;
  // The same to the device on a stream of their own: after all that is queued now, and before all that is
  // queued after await_uploads(). `from` is of allocate_staging, and stays until then has been waited for.
  virtual void upload_beside(void* to, const void* from, std::size_t bytes) = 0;
  virtual void await_uploads() = 0;
  // Host memory that the device reads by itself (page-locked); nullptr when there is none.
  virtual void* allocate_staging(std::size_t bytes) = 0;
  virtual void release_staging(void* pointer) = 0;
  virtual void set_bytes(void* to, int value, std::size_t bytes) = 0;
  virtual void synchronize() = 0;
  // A place in the stream after all that is queued now; the seconds between two, once the second is reached.
  virtual Mark mark() = 0;
  virtual double seconds(const Mark& from, const Mark& to) = 0;

  // Whether kernels are functions of the host, HostKernel.
  virtual bool on_host() const = 0;
  // Bytes of shared memory that a block may have: 99 KiB on cards for desktops, 163 and more on others.
  virtual std::size_t shared_bytes() const = 0;
  // `kernel`: a __global__ function, or a HostKernel. Throws Error(device) naming it where the launch fails.
  virtual void launch(const Launch&, const void* kernel, Arguments) = 0;

  // Bytes that gemm() is to be given.
  virtual std::size_t workspace(const GemmCall&) const = 0;
  virtual void gemm(const GemmCall&, void* workspace) = 0;
  // Whether choose() knows without trying: else it queues work of its own, on scratch and on the call's
  // result where that is written over.
  virtual bool is_chosen(const ConvCall&) const = 0;
  // Throws Error(device) where there is no memory to try any.
  virtual ConvChoice choose(const ConvCall&, const Memory&) = 0;
  // With a choice that has a plan, and the workspace that it asks for.
  virtual void convolve(const ConvCall&, const ConvChoice&, void* workspace) = 0;
  virtual std::string convolution_name(const ConvCall&, const Memory&) = 0;
  // Whether runs are to repeat each other: then what runs does not depend on the memory that is free.
  virtual bool deterministic() const = 0;
  // Whether the library may err in this call (calls.h), and what it runs is still to be compared (proof.h).
  virtual bool is_doubtful(const ConvCall&, const Memory&) = 0;
  // What the comparison of a doubtful call showed. What is right is kept; what is not gives way to the
  // library's next choice, and after the last one there is none.
  virtual void judge(const ConvCall&, bool right) = 0;
  virtual PlanCounters plan_counters() const = 0;

  // The works in one piece, to be queued at once and again; empty where the device cannot. All of it has been
  // queued one by one before.
  virtual std::unique_ptr<Recording> record(const std::vector<Work>&) = 0;
};

// A kernel where the driver works on the host.
using HostKernel = void (*)(Arguments);

template <class T>
const T& argument(const Argument& a) {
  return *static_cast<const T*>(a.data);
}

}  // namespace duet::cuda

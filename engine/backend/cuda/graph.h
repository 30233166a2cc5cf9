// A pass of a convolution as a graph of one operation for cuDNN, by its backend descriptors. Called by
// engines.cpp. Tensors lie channels last, weights as KTRSC, as ours do.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/backend/cuda/calls.h"
#include "engine/backend/cuda/status.h"

namespace duet::cuda {

// One of cuDNN's opaque objects: attributes are set, then it is finalized. Throws Error(device) where it
// cannot be made or an attribute is not taken.
class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t type);

  void set(cudnnBackendAttributeName_t, cudnnBackendAttributeType_t, std::int64_t count, const void* values);
  void set(cudnnBackendAttributeName_t, const Descriptor& other);
  void set(cudnnBackendAttributeName_t, const std::vector<std::int64_t>& values);
  // False where cuDNN has no such thing.
  bool finalize() { return cudnn().finalize(get()) == CUDNN_STATUS_SUCCESS; }
  cudnnBackendDescriptor_t get() const { return handle_.get(); }

 private:
  struct Destroy {
    void operator()(cudnnBackendDescriptor_t handle) const { cudnn().destroy_descriptor(handle); }
  };
  std::unique_ptr<void, Destroy> handle_;  // cudnnBackendDescriptor_t is void*
};

// Where the tensors of a pass are.
struct Operands {
  const void *x, *w, *y;
};
Operands operands_of(const ConvCall&);

// The tensors of a graph by name.
constexpr std::int64_t kIdX = 'x', kIdW = 'w', kIdY = 'y';

// The pass as a graph. Pointers of the call count for their alignment only. Empty where cuDNN takes no such
// convolution at all.
std::optional<Descriptor> graph_of(cudnnHandle_t, const ConvCall&);

}  // namespace duet::cuda

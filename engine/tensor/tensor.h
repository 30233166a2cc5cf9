// Data without gradients: a shape, a type and shared storage from an allocator. Copies share the data (a
// handle); cannot record. Empty tensors hold nothing. Used by kernels' callers, optimisers, EMA, metrics,
// checkpoints.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/memory/allocator.h"
#include "engine/tensor/view.h"

namespace duet {

class Tensor {
 public:
  Tensor() = default;
  // Uninitialised memory. `who` is named where memory runs out.
  Tensor(const std::shared_ptr<Allocator>& memory, const Shape& shape, DType dtype,
         const char* who = "tensor");

  explicit operator bool() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  DType dtype() const { return dtype_; }
  Index elements() const { return shape_.elements(); }
  std::size_t bytes() const { return static_cast<std::size_t>(elements()) * size_of(dtype_); }

  View view() const;
  ConstView cview() const;  // carries the version
  // Host pointer; throws EngineError when the type differs or the storage is not the host's.
  template <class T>
  T* data() const {
    check_on_host();
    return view().as<T>();
  }
  template <class T>
  std::span<T> span() const {
    return {data<T>(), static_cast<std::size_t>(elements())};
  }

  Tensor samples(Index begin, Index end) const;  // shares storage
  Tensor reshaped(const Shape& shape) const;     // shares storage, same number of elements

  // All elements, between host memory and wherever the storage is.
  void copy_from(const void* host) const;
  void copy_to(void* host) const;

  // Says that the contents are new: cached packed copies are made again. Versions start at 0, "not
  // cacheable".
  void mark_changed() const;

  // Shape and type without storage.
  Tensor shell() const;
  // Whether no other handle shares the storage, so that it may be written over.
  bool unique() const;

  // A handle that does not keep the storage: lock() gives the tensor back while another one does, else an
  // empty one.
  class Weak;

  std::shared_ptr<Allocator> memory() const;

 private:
  void check_on_host() const;

  struct Storage;
  std::shared_ptr<Storage> storage_;
  std::size_t offset_ = 0;  // bytes
  Shape shape_;
  DType dtype_ = DType::f32;
};

class Tensor::Weak {
 public:
  Weak() = default;
  explicit Weak(const Tensor& tensor) : storage_(tensor.storage_), like_(tensor.shell()) {}
  Tensor lock() const {
    Tensor tensor = like_;
    tensor.storage_ = storage_.lock();
    return tensor.storage_ ? tensor : Tensor();
  }

 private:
  std::weak_ptr<Storage> storage_;
  Tensor like_;  // offset, shape and type
};

// The tensor itself where `memory` is of the same kind (host or device), else a copy there.
Tensor moved_to(const std::shared_ptr<Allocator>& memory, const Tensor& tensor);

// Host-side helpers.
Tensor from_values(const std::shared_ptr<Allocator>& memory, const Shape& shape, DType dtype,
                   std::span<const double> values);
std::vector<double> to_values(const Tensor& tensor);
double scalar_value(const Tensor& tensor);  // of one element

}  // namespace duet

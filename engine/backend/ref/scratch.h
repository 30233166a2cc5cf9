// Scratch memory of one call, from the backend's allocator, so that it is counted and reused.
#pragma once

#include <memory>

#include "engine/core/shape.h"
#include "engine/memory/allocator.h"

namespace duet::ref {

template <class T>
class Scratch {
 public:
  Scratch(std::shared_ptr<Allocator> memory, Index count, const char* who)
      : memory_(std::move(memory)),
        bytes_(static_cast<std::size_t>(count) * sizeof(T)),
        data_(static_cast<T*>(memory_->allocate(bytes_, who))) {}
  ~Scratch() { memory_->release(data_, bytes_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  T* data() const { return data_; }

 private:
  std::shared_ptr<Allocator> memory_;
  std::size_t bytes_;
  T* data_;
};

}  // namespace duet::ref

// A block of scratch memory for one call, from the backend's allocator, so that it is tracked and reused.
#pragma once

#include <memory>
#include <utility>

#include "engine/memory/allocator.h"

namespace duet {

class Scratch {
 public:
  Scratch() = default;
  // For one call: whatever cached block is large enough. `lasting`: for longer, so of its own size.
  Scratch(const std::shared_ptr<Allocator>& memory, std::size_t bytes, const char* who, bool lasting = false)
      : memory_(memory), bytes_(bytes) {
    if (bytes > 0) data_ = lasting ? memory->allocate(bytes, who) : memory->borrow(bytes_, who);
  }
  ~Scratch() {
    if (data_) memory_->release(data_, bytes_);
  }
  Scratch(Scratch&& other) noexcept { swap(other); }
  Scratch& operator=(Scratch&& other) noexcept {
    swap(other);
    return *this;
  }

  void* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

 private:
  void swap(Scratch& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(bytes_, other.bytes_);
    std::swap(data_, other.data_);
  }

  std::shared_ptr<Allocator> memory_;
  std::size_t bytes_ = 0;
  void* data_ = nullptr;
};

}  // namespace duet

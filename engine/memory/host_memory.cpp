#include <cstdlib>

#include "engine/memory/allocator.h"

namespace duet {

RawMemory host_memory() {
  constexpr std::size_t kAlignment = 64;
  return {[](std::size_t bytes) -> void* {
            const std::size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
            if (rounded < bytes) return nullptr;
            return std::aligned_alloc(kAlignment, rounded == 0 ? kAlignment : rounded);
          },
          [](void* pointer, std::size_t) { std::free(pointer); }};
}

}  // namespace duet

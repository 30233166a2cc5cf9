#include "engine/memory/allocator.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "engine/core/errors.h"

namespace duet {
namespace {

constexpr std::size_t kLarge = std::size_t{1} << 20;

void* pointer_of(std::uintptr_t address) {
  return reinterpret_cast<void*>(address);  // NOLINT(performance-no-int-to-ptr): it was one
}

double mebibytes(std::size_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

}  // namespace

Allocator::~Allocator() { release_cached_locked(); }

// Sizes are rounded up to an eighth of their power of two, so that near-equal requests share blocks at a
// waste below 12.5 %; large ones, which are few and repeat, to a 64th.
std::size_t Allocator::rounded(std::size_t bytes) {
  const std::size_t least = std::max<std::size_t>(bytes, 64);
  const std::size_t step = std::max<std::size_t>(std::bit_floor(least) / (least < kLarge ? 8 : 64), 64);
  return (least + step - 1) / step * step;
}

void* Allocator::allocate(std::size_t bytes, const char* who) {
  DUET_CHECK(bytes <= (std::size_t{1} << 52), who, ": request of ", bytes, " bytes");
  const std::size_t size = rounded(bytes);
  std::lock_guard lock(mutex_);
  ++counters_.requests;
  void* pointer = nullptr;
  const auto found = cached_.lower_bound({size, 0});
  if (found != cached_.end() && found->first == size) {
    pointer = take(found);
  } else {
    if (limit_ && counters_.reserved_bytes + size > limit_) release_cached_locked();
    if (limit_ && counters_.reserved_bytes + size > limit_) {
      throw Error(ExitCode::device,
                  text(who, ": ", mebibytes(size), " MiB more would exceed the memory limit of ",
                       mebibytes(limit_), " MiB (", mebibytes(counters_.live_bytes),
                       " MiB are live); a smaller patch or batch, or training.recompute, would help"));
    }
    pointer = raw_.allocate(size);
    if (!pointer) {
      release_cached_locked();
      pointer = raw_.allocate(size);
    }
    if (!pointer) {
      throw Error(ExitCode::device,
                  text(who, ": out of memory asking for ", mebibytes(size), " MiB with ",
                       mebibytes(counters_.live_bytes),
                       " MiB live; a smaller patch or batch, or training.recompute, would help"));
    }
    ++counters_.system_requests;
    counters_.reserved_bytes += size;
  }
  return hand_out(pointer, size);
}

void* Allocator::take(Cached::iterator block) {
  void* pointer = pointer_of(block->second);
  cached_.erase(block);
  return pointer;
}

void* Allocator::hand_out(void* pointer, std::size_t size) {
  counters_.live_bytes += size;
  counters_.peak_bytes = std::max(counters_.peak_bytes, counters_.live_bytes);
  if (poison_ && on_host()) std::memset(pointer, 0xFF, size);
  if (poison_ && !on_host()) raw_.set_bytes(pointer, 0xFF, size);
  return pointer;
}

void* Allocator::borrow(std::size_t& bytes, const char* who) {
  {
    std::lock_guard lock(mutex_);
    // Not a far larger one: all of it counts as live until it comes back, and somebody may ask for it
    // meanwhile.
    const std::size_t most = 4 * rounded(bytes) + (std::size_t{1} << 20);
    const auto found = cached_.lower_bound({rounded(bytes), 0});
    if (found != cached_.end() && found->first <= most) {
      ++counters_.requests;
      bytes = found->first;  // a rounded size rounds to itself
      return hand_out(take(found), bytes);
    }
  }
  return allocate(bytes, who);
}

void Allocator::release(void* pointer, std::size_t bytes) noexcept {
  if (!pointer) return;
  const std::size_t size = rounded(bytes);
  std::lock_guard lock(mutex_);
  counters_.live_bytes -= size;
  cached_.emplace(size, reinterpret_cast<std::uintptr_t>(pointer));
}

MemoryCounters Allocator::counters() const {
  std::lock_guard lock(mutex_);
  return counters_;
}

void Allocator::reset_peak() {
  std::lock_guard lock(mutex_);
  counters_.peak_bytes = counters_.live_bytes;
}

void Allocator::raise_peak(std::size_t bytes) {
  std::lock_guard lock(mutex_);
  counters_.peak_bytes = std::max(counters_.peak_bytes, bytes);
}

void Allocator::set_limit(std::size_t bytes) {
  std::lock_guard lock(mutex_);
  limit_ = bytes;
}

void Allocator::set_poison(bool on) {
  std::lock_guard lock(mutex_);
  poison_ = on;
}

void Allocator::release_cached() {
  std::lock_guard lock(mutex_);
  release_cached_locked();
}

void Allocator::release_cached_locked() {
  for (const auto& [size, address] : cached_) {
    raw_.release(pointer_of(address), size);
    counters_.reserved_bytes -= size;
  }
  cached_.clear();
}

void Allocator::upload(void* block, const void* from, std::size_t bytes) const {
  if (on_host()) {
    std::memcpy(block, from, bytes);
  } else {
    raw_.upload(block, from, bytes);
  }
}

void Allocator::download(void* to, const void* block, std::size_t bytes) const {
  if (on_host()) {
    std::memcpy(to, block, bytes);
  } else {
    raw_.download(to, block, bytes);
  }
}

std::uint64_t Allocator::next_version() {
  std::lock_guard lock(mutex_);
  return ++version_;
}

}  // namespace duet

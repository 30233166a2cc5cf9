// The caching allocator of one device: every tensor, scratch and vendor scratch byte comes from here.
// Steps repeat their shapes, so after the first steps every request is served from what was returned before;
// the counters show it. Blocks are aligned to 64 bytes. Thread safe. Lives at least as long as its blocks
// (they share it).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>

namespace duet {

// Raw memory of a device, provided by a backend.
struct RawMemory {
  std::function<void*(std::size_t bytes)> allocate;  // nullptr when there is none; aligned to 64
  std::function<void(void* pointer, std::size_t bytes)> release;
  // Of a device that is not the host; empty: host memory. Calls follow the device's work in order; download
  // waits for it.
  std::function<void(void*to, const void*from, std::size_t bytes)> upload = nullptr, download = nullptr;
  std::function<void(void* to, int value, std::size_t bytes)> set_bytes = nullptr;
};

// The host's, aligned to 64 bytes.
RawMemory host_memory();

struct MemoryCounters {
  std::size_t live_bytes = 0;         // held by blocks now
  std::size_t peak_bytes = 0;         // greatest live_bytes since reset_peak
  std::size_t reserved_bytes = 0;     // taken from the system: live and cached
  std::uint64_t system_requests = 0;  // how often memory was asked of the system
  std::uint64_t requests = 0;
};

class Allocator : public std::enable_shared_from_this<Allocator> {
 public:
  static std::shared_ptr<Allocator> create(RawMemory raw) {
    return std::shared_ptr<Allocator>(new Allocator(std::move(raw)));
  }
  ~Allocator();
  Allocator(const Allocator&) = delete;
  Allocator& operator=(const Allocator&) = delete;

  // At least `bytes` bytes; `who` (op and shapes) goes into the error. Throws Error(device) over the limit or
  // out of memory.
  void* allocate(std::size_t bytes, const char* who);
  void release(void* pointer, std::size_t bytes) noexcept;  // `bytes` as asked for

  // For scratch of one call: any cached block that is large enough, before the system is asked. `bytes`
  // becomes what release() is to be told.
  void* borrow(std::size_t& bytes, const char* who);

  MemoryCounters counters() const;
  void reset_peak();
  void raise_peak(std::size_t bytes);  // to at least that, as of the time before a reset_peak
  void set_limit(std::size_t bytes);   // of reserved bytes; 0 = none
  std::size_t limit() const { return limit_; }
  void set_poison(bool on);  // fills what it hands out with 0xFF (NaN): a test sees what was never written
  void release_cached();     // gives cached blocks back to the system

  // Whether blocks are host memory, so that pointers to them can be followed.
  bool on_host() const { return !raw_.upload; }
  // Between host memory and a block (or host memory and host memory).
  void upload(void* block, const void* from, std::size_t bytes) const;
  void download(void* to, const void* block, std::size_t bytes) const;

  std::uint64_t next_version();  // a number never given before: the identity of a tensor's contents, for
                                 // caches of packed weights

 private:
  explicit Allocator(RawMemory raw) : raw_(std::move(raw)) {}
  static std::size_t rounded(std::size_t bytes);
  using Cached = std::set<std::pair<std::size_t, std::uintptr_t>>;
  void* take(Cached::iterator block);
  void* hand_out(void* pointer, std::size_t size);
  void release_cached_locked();

  RawMemory raw_;
  mutable std::mutex mutex_;
  // By rounded size, then by address: of equal blocks the lowest is handed out, so that a step that repeats
  // another finds its tensors where they were, and the same few blocks stay in the caches.
  Cached cached_;
  MemoryCounters counters_;
  std::size_t limit_ = 0;
  bool poison_ = false;
  std::uint64_t version_ = 0;
};

}  // namespace duet

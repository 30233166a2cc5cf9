// The caching allocator: what it asks of the system, what it counts, and how it says that memory ran out.
#include "engine/memory/allocator.h"

#include <cstdint>
#include <cstring>
#include <doctest/doctest.h>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "engine/backend/ref/ref.h"
#include "engine/core/errors.h"

using namespace duet;

namespace {

std::shared_ptr<Allocator> host() { return Allocator::create(host_memory()); }

std::string message_of(Allocator& memory, std::size_t bytes, const char* who, ExitCode* code = nullptr) {
  try {
    memory.allocate(bytes, who);
  } catch (const Error& error) {
    if (code) *code = error.code();
    return error.what();
  }
  return "";
}

bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a released block is handed out again") {
  const auto memory = host();
  void* first = memory->allocate(1000, "first");
  CHECK(reinterpret_cast<std::uintptr_t>(first) % 64 == 0);
  memory->release(first, 1000);
  for (int i = 0; i < 10; ++i) {
    void* again = memory->allocate(1000, "again");
    CHECK(again == first);
    memory->release(again, 1000);
  }
  CHECK(memory->counters().system_requests == 1);
  CHECK(memory->counters().requests == 11);
  // Near-equal sizes share blocks, sizes far apart do not.
  void* near = memory->allocate(1005, "near");
  CHECK(near == first);
  void* far = memory->allocate(5000, "far");
  CHECK(memory->counters().system_requests == 2);
  memory->release(near, 1005);
  memory->release(far, 5000);
}

TEST_CASE("of equal blocks the lowest is handed out, so that a step that repeats finds its tensors again") {
  const auto memory = host();
  std::set<void*> blocks;
  for (int i = 0; i < 4; ++i) blocks.insert(memory->allocate(1000, "block"));
  const std::vector<void*> rising(blocks.begin(), blocks.end());
  for (const int i : {2, 0, 3, 1}) memory->release(rising[static_cast<std::size_t>(i)], 1000);
  for (void* block : rising) CHECK(memory->allocate(1000, "block") == block);
  for (void* block : rising) memory->release(block, 1000);
  std::size_t bytes = 500;
  CHECK(memory->borrow(bytes, "scratch") == rising[0]);
  memory->release(rising[0], bytes);
}

TEST_CASE("a little scratch does not take a block that is far larger") {
  const auto memory = host();
  memory->set_limit(16 << 20);
  memory->release(memory->allocate(8 << 20, "large"), 8 << 20);
  std::size_t bytes = 64;
  void* scratch = memory->borrow(bytes, "scratch");
  CHECK(memory->counters().live_bytes < 2 << 20);
  void* more = memory->allocate(12 << 20, "more");  // the large one goes for it
  memory->release(more, 12 << 20);
  memory->release(scratch, bytes);
}

TEST_CASE("live, peak and reserved bytes") {
  const auto memory = host();
  void* a = memory->allocate(1 << 20, "a");
  void* b = memory->allocate(1 << 20, "b");
  const MemoryCounters both = memory->counters();
  CHECK(both.live_bytes == 2 << 20);
  CHECK(both.peak_bytes == 2 << 20);
  CHECK(both.reserved_bytes == 2 << 20);
  memory->release(b, 1 << 20);
  CHECK(memory->counters().live_bytes == 1 << 20);
  CHECK(memory->counters().peak_bytes == 2 << 20);
  CHECK(memory->counters().reserved_bytes == 2 << 20);
  memory->reset_peak();
  CHECK(memory->counters().peak_bytes == 1 << 20);
  memory->release_cached();
  CHECK(memory->counters().reserved_bytes == 1 << 20);
  memory->release(a, 1 << 20);
  memory->release_cached();
  CHECK(memory->counters().reserved_bytes == 0);
  CHECK(memory->counters().live_bytes == 0);
  memory->release(nullptr, 100);
}

TEST_CASE("rounding wastes less than an eighth above 512 bytes") {
  const auto memory = host();
  for (std::size_t bytes = 512; bytes < 200000; bytes += 777) {
    void* block = memory->allocate(bytes, "waste");
    const std::size_t live = memory->counters().live_bytes;
    CHECK(live >= bytes);
    CHECK(static_cast<double>(live) <= 1.126 * static_cast<double>(bytes));
    std::memset(block, 1, bytes);
    memory->release(block, bytes);
  }
}

TEST_CASE("the limit is named in one line, and cached blocks are given up before it is said") {
  const auto memory = host();
  memory->set_limit(4 << 20);
  CHECK(memory->limit() == 4 << 20);
  void* large = memory->allocate(3 << 20, "large");
  ExitCode code = ExitCode::done;
  const std::string text = message_of(*memory, 2 << 20, "conv3d (1,8,8,8,16)", &code);
  CHECK(code == ExitCode::device);
  CHECK(contains(text, "conv3d (1,8,8,8,16)"));
  CHECK(contains(text, "limit of 4 MiB"));
  CHECK(contains(text, "2 MiB more"));
  CHECK(contains(text, "3 MiB are live"));
  CHECK(!contains(text, "\n"));
  memory->release(large, 3 << 20);
  void* other = memory->allocate(2 << 20, "other");  // the cached 3 MiB had to go first
  CHECK(memory->counters().reserved_bytes == 2 << 20);
  memory->release(other, 2 << 20);
  memory->set_limit(0);
  void* free = memory->allocate(8 << 20, "no limit");
  memory->release(free, 8 << 20);
}

TEST_CASE("a system without memory is named") {
  const auto memory =
      Allocator::create({[](std::size_t) -> void* { return nullptr; }, [](void*, std::size_t) {}});
  ExitCode code = ExitCode::done;
  const std::string text = message_of(*memory, 1 << 20, "tensor", &code);
  CHECK(code == ExitCode::device);
  CHECK(contains(text, "tensor: out of memory asking for 1 MiB"));
  CHECK_THROWS_AS(memory->allocate(std::size_t{1} << 60, "absurd"), EngineError);
  CHECK(memory->counters().live_bytes == 0);
}

TEST_CASE("poison fills new and reused blocks") {
  const auto memory = host();
  memory->set_poison(true);
  for (int round = 0; round < 2; ++round) {
    auto* bytes = static_cast<unsigned char*>(memory->allocate(300, "poison"));
    for (int i = 0; i < 300; ++i) REQUIRE(bytes[i] == 0xFF);
    std::memset(bytes, 0, 300);
    memory->release(bytes, 300);
  }
  CHECK(memory->counters().system_requests == 1);
}

TEST_CASE("versions never repeat, and threads may share an allocator") {
  const auto memory = host();
  std::vector<std::vector<std::uint64_t>> seen(4);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < seen.size(); ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < 500; ++i) {
        const std::size_t bytes = 100 + 64 * ((i * 7 + t) % 13);
        void* block = memory->allocate(bytes, "thread");
        std::memset(block, static_cast<int>(t), bytes);
        seen[t].push_back(memory->next_version());
        memory->release(block, bytes);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<std::uint64_t> all;
  for (const auto& part : seen) all.insert(part.begin(), part.end());
  CHECK(all.size() == 2000);
  CHECK(!all.contains(0));
  CHECK(memory->counters().live_bytes == 0);
  CHECK(memory->counters().requests == 2000);
}

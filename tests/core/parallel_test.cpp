// The parallel loops: everything once, the same chunks for any number of threads, exceptions delivered.
#include "engine/core/parallel.h"

#include <atomic>
#include <doctest/doctest.h>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

namespace duet {
namespace {

// Sets the number of threads for one scope.
struct Threads {
  int before = max_threads();
  explicit Threads(int count) { set_threads(count); }
  ~Threads() { set_threads(before); }
};

std::set<std::pair<Index, Index>> chunks_of(Index count, Index grain) {
  std::set<std::pair<Index, Index>> chunks;
  std::mutex guard;
  parallel_chunks(count, grain, [&](Index begin, Index end) {
    const std::lock_guard<std::mutex> lock(guard);
    chunks.insert({begin, end});
  });
  return chunks;
}

}  // namespace

TEST_CASE("the number of threads is the whole process's") {
  const Threads scope(3);
  int elsewhere = 0, at_most = 0;
  std::thread other([&] {
    elsewhere = max_threads();
    std::mutex guard;
    std::set<std::thread::id> seen;
    parallel_for(64, [&](Index) {
      const std::lock_guard<std::mutex> lock(guard);
      seen.insert(std::this_thread::get_id());
    });
    at_most = static_cast<int>(seen.size());
  });
  other.join();
  CHECK(elsewhere == 3);
  CHECK(at_most <= 3);
  set_threads(1);
  std::thread alone([&] { elsewhere = max_threads(); });
  alone.join();
  CHECK(elsewhere == 1);
}

TEST_CASE("every index once") {
  for (const int threads : {1, 2, 5}) {
    const Threads scope(threads);
    for (const Index count : {0, 1, 2, 7, 64, 1000}) {
      for (const Index grain : {1, 3, 64, 5000}) {
        std::vector<std::atomic<int>> hits(static_cast<std::size_t>(count));
        parallel_chunks(count, grain, [&](Index begin, Index end) {
          CHECK(end - begin <= grain);
          for (Index i = begin; i < end; ++i) ++hits[i];
        });
        int wrong = 0;
        for (const auto& hit : hits) wrong += hit != 1;
        CHECK(wrong == 0);
      }
      std::vector<std::atomic<int>> hits(static_cast<std::size_t>(count));
      parallel_for(count, [&](Index i) { ++hits[i]; });
      int wrong = 0;
      for (const auto& hit : hits) wrong += hit != 1;
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("chunks depend on the sizes alone") {
  std::set<std::pair<Index, Index>> with_one, with_four;
  {
    const Threads scope(1);
    with_one = chunks_of(1003, 100);
  }
  {
    const Threads scope(4);
    with_four = chunks_of(1003, 100);
  }
  CHECK(with_one == with_four);
  CHECK(with_one.size() == 11);
  CHECK(with_one.contains({1000, 1003}));
}

TEST_CASE("an exception of the body reaches the caller, from one chunk or from many") {
  for (const int threads : {1, 3}) {
    const Threads scope(threads);
    for (const Index count : {1, 100}) {
      CHECK_THROWS_WITH_AS(parallel_for(count,
                                        [](Index i) {
                                          if (i == 0) throw std::runtime_error("chunk");
                                        }),
                           "chunk", std::runtime_error);
      CHECK_THROWS_AS(parallel_for(count, [](Index) { throw std::logic_error("all"); }), std::logic_error);
    }
  }
  CHECK_NOTHROW(parallel_for(10, [](Index) {}));  // and the next loop runs as if nothing had been
}

TEST_CASE("max_threads follows set_threads") {
  const Threads scope(3);
  CHECK(max_threads() == 3);
}

}  // namespace duet

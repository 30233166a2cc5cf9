// The loader by itself: order, how far ahead, errors at their turn, an early end, waiting.
#include "cotrain/data/loader.h"

#include <atomic>
#include <chrono>
#include <doctest/doctest.h>
#include <stdexcept>

using namespace duet;

namespace {

using std::chrono::milliseconds;

void sleep(int ms) { std::this_thread::sleep_for(milliseconds(ms)); }

double seconds_of(const std::function<void()>& call) {
  const auto start = std::chrono::steady_clock::now();
  call();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Batches that carry their step as a name and no tensors.
BatchMaker named_maker(const std::function<void(std::uint32_t step)>& before = [](std::uint32_t) {}) {
  return {[] { return Batch{}; },
          [before](Batch& batch, std::uint32_t step) {
            before(step);
            batch.case_ids = {std::to_string(step)};
          }};
}

std::string name_of(const Batch& batch) { return batch.case_ids.at(0); }

}  // namespace

TEST_CASE("batches come in the order of the steps, whoever is done first") {
  for (Index threads : {0, 1, 3}) {
    BatchLoader loader(named_maker([](std::uint32_t step) { sleep(step % 3 == 0 ? 3 : 0); }), 5, 25,
                       loader_config(threads));
    for (Index step = 5; step < 25; ++step) CHECK(name_of(loader.next()) == std::to_string(step));
    CHECK_THROWS(loader.next());  // there is no step 25
  }
}

TEST_CASE("a loader of no steps starts and ends") {
  for (Index threads : {0, 1}) BatchLoader(named_maker(), 7, 7, loader_config(threads));
}

TEST_CASE(
    "no more than `ahead` batches are made in front of the consumer, and memory is asked for in its thread") {
  const auto consumer = std::this_thread::get_id();
  for (Index threads : {1, 3}) {
    std::atomic<Index> begun{0};
    Index asked = 0;
    BatchMaker maker = named_maker([&](std::uint32_t) { ++begun; });
    maker.empty = [&] {
      CHECK(std::this_thread::get_id() == consumer);
      ++asked;
      return Batch{};
    };
    const LoaderConfig config{threads, 2};
    BatchLoader loader(maker, 0, 8, config);
    for (Index step = 0; step < 8; ++step) {
      loader.next();
      sleep(10);
      CHECK(begun <= std::min<Index>(step + 1 + config.ahead, 8));
      CHECK(asked == std::min<Index>(step + 1 + config.ahead, 8));  // whatever the threads did
    }
    CHECK(begun == 8);
  }
}

TEST_CASE("an error of the making is thrown at its turn, and steps go on after it") {
  for (Index threads : {0, 1, 3}) {
    BatchLoader loader(named_maker([](std::uint32_t step) {
                         if (step == 2 || step == 3) throw std::runtime_error(std::to_string(step));
                       }),
                       0, 6, loader_config(threads));
    CHECK(name_of(loader.next()) == "0");
    sleep(5);  // so that the error is there before its turn
    CHECK(name_of(loader.next()) == "1");
    CHECK_THROWS_WITH(loader.next(), "2");
    CHECK_THROWS_WITH(loader.next(), "3");
    CHECK(name_of(loader.next()) == "4");
    CHECK(name_of(loader.next()) == "5");
  }
}

TEST_CASE("the loader ends at any moment, after the batches being filled at most") {
  for (Index threads : {0, 1, 3}) {
    for (int taken : {0, 1, 2}) {
      for (int pause : {0, 1, 10}) {
        std::atomic<Index> made{0};
        const double seconds = seconds_of([&] {
          BatchLoader loader(named_maker([&](std::uint32_t step) {
                               ++made;
                               sleep(2);
                               if (step % 2 == 1 && step > 1) throw std::runtime_error("never asked for");
                             }),
                             0, 1'000'000'000, loader_config(threads));
          for (int i = 0; i < taken; ++i) loader.next();
          sleep(pause);
        });
        CHECK(seconds < 2.0);
        CHECK(made <= taken + std::max<Index>(2, threads));
      }
    }
  }
}

TEST_CASE("an exception of the step ends the loader on its way out") {
  for (int i = 0; i < 50; ++i) {
    CHECK_THROWS_WITH(
        [] {
          BatchLoader loader(named_maker(), 0, 100, loader_config(2));
          for (int step = 0; step < 3; ++step) loader.next();
          throw std::runtime_error("step");
        }(),
        "step");
  }
}

TEST_CASE(
    "waiting is what next() takes: all of the making without threads, next to nothing behind a slow step") {
  std::atomic<Index> made{0};
  const auto making = named_maker([&](std::uint32_t) {
    sleep(50);
    ++made;
  });
  BatchLoader own(making, 0, 4, loader_config(0));
  for (int i = 0; i < 4; ++i) own.next();
  CHECK(own.seconds_waiting() >= 0.2);

  made = 0;
  BatchLoader beside(making, 0, 4, loader_config(1));
  beside.next();
  const double first = beside.seconds_waiting();
  CHECK(first >= 0.05);
  for (Index step = 1; step < 4; ++step) {
    while (made <= step) sleep(1);
    sleep(20);  // the count is raised a moment before the batch is handed over
    beside.next();
  }
  CHECK(beside.seconds_waiting() - first < 0.1);  // of 0.15 made
}

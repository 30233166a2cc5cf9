// Batches uploaded beside the step, over a driver that copies as late as a device may: what is read too soon
// is NaN, and what is given back too soon has changed.
#include "cotrain/data/feed.h"

#include <cstring>
#include <doctest/doctest.h>

#include "engine/backend/ref/ref.h"
#include "tests/engine/cuda/host_driver.h"

namespace duet::testing {
namespace {

constexpr Index kLabelled = 1, kUnlabelled = 1;
const Shape kShape{kLabelled + kUnlabelled, 3, 4, 5, 1};

// Each batch is filled with its step's number.
BatchMaker numbered(const Backend& backend) {
  const SamplerConfig config{{3, 4, 5}, kLabelled, kUnlabelled, {}, 1};
  return {[&backend, config] { return empty_batch(backend, config); },
          [](Batch& batch, std::uint32_t step) {
            for (float& value : batch.image.span<float>()) value = static_cast<float>(step);
            for (float& value : batch.valid.span<float>()) value = static_cast<float>(step) + 0.5F;
            for (std::uint8_t& value : batch.labels.span<std::uint8_t>())
              value = static_cast<std::uint8_t>(step);
            batch.case_ids = {std::to_string(step), "unlabelled"};
          }};
}

void check_batch(const Batch& batch, Index step) {
  INFO("step " << step);
  const auto number = static_cast<double>(step);
  REQUIRE(batch.image.shape() == kShape);
  CHECK(to_values(batch.image) == std::vector<double>(static_cast<std::size_t>(kShape.elements()), number));
  CHECK(to_values(batch.valid) ==
        std::vector<double>(static_cast<std::size_t>(kShape.elements()), number + 0.5));
  CHECK(to_values(batch.labels) ==
        std::vector<double>(static_cast<std::size_t>(kShape.elements() / 2), number));
  CHECK(batch.labelled == kLabelled);
  CHECK(batch.case_ids.front() == std::to_string(step));
}

}  // namespace

TEST_CASE(
    "uploads beside the step: every batch in its turn, from memory of its own, none asked of the system") {
  for (const Index threads : {0, 1, 3}) {
    INFO(threads << " loading threads");
    HostDriver* driver = nullptr;
    const auto backend = make_host_cuda(&driver);
    BatchLoader loader(numbered(*backend), 2, 12, loader_config(threads));
    BatchFeed feed(*backend, loader);
    for (Index step = 2; step < 12; ++step) {
      const Batch batch = feed.next();
      check_batch(batch, step);
      CHECK_FALSE(batch.image.memory()->on_host());
    }
    CHECK(backend->memory->counters().system_requests <= 2 * 3);  // a batch in work, one coming
    CHECK(driver->calls.uploads_beside == 10 * 3);
    CHECK(driver->calls.uploads == 0);
    CHECK_THROWS_AS(feed.next(), EngineError);
  }
}

TEST_CASE("the upload of the next batch begins before the step of this one where it is ready") {
  HostDriver* driver = nullptr;
  const auto backend = make_host_cuda(&driver);
  BatchLoader loader(numbered(*backend), 0, 3, loader_config(1));
  BatchFeed feed(*backend, loader);
  check_batch(feed.next(), 0);
  while (!loader.is_ready()) std::this_thread::yield();
  check_batch(feed.next(), 1);  // begins that of step 2, too
  CHECK(driver->calls.uploads_beside == 3 * 3);
  CHECK_FALSE(loader.is_ready());  // none is left
  check_batch(feed.next(), 2);
}

TEST_CASE("a feed that ends early leaves no upload behind that would write into the next owner's memory") {
  const auto backend = make_host_cuda();
  BatchLoader loader(numbered(*backend), 0, 3, loader_config(1));
  {
    BatchFeed feed(*backend, loader);
    feed.next();
    while (!loader.is_ready()) std::this_thread::yield();
    feed.next();  // begins that of step 2
  }
  std::vector<Tensor> next;  // one of them has the memory that step 2's image had
  for (int i = 0; i < 4; ++i) next.push_back(backend->filled(kShape, DType::f32, 7, "next"));
  backend->await_uploads();
  for (const Tensor& each : next)
    CHECK(to_values(each) == std::vector<double>(static_cast<std::size_t>(kShape.elements()), 7));
}

TEST_CASE("a batch is on the device before its page-locked memory is another's") {
  const auto backend = make_host_cuda();
  const SamplerConfig config{{3, 4, 5}, kLabelled, kUnlabelled, {}, 1};
  Batch staged = empty_batch(*backend, config);
  numbered(*backend).fill(staged, 1);
  const Batch batch = on_device(*backend, staged);
  numbered(*backend).fill(staged, 2);
  check_batch(batch, 1);
}

TEST_CASE("what the making of a batch threw is thrown at its turn, not while it is uploaded ahead") {
  const auto backend = make_host_cuda();
  BatchMaker maker = numbered(*backend);
  maker.fill = [fill = maker.fill](Batch& batch, std::uint32_t step) {
    if (step == 2) throw EngineError("step 2");
    fill(batch, step);
  };
  BatchLoader loader(maker, 0, 4, loader_config(3));
  BatchFeed feed(*backend, loader);
  check_batch(feed.next(), 0);
  check_batch(feed.next(), 1);
  CHECK_THROWS_AS(feed.next(), EngineError);
  check_batch(feed.next(), 3);
}

TEST_CASE("on the CPU the feed hands out the loader's own batches") {
  const auto backend = make_ref_backend();
  BatchLoader loader(numbered(*backend), 0, 2, loader_config(1));
  BatchFeed feed(*backend, loader);
  check_batch(feed.next(), 0);
  check_batch(feed.next(), 1);
  CHECK_THROWS_AS(feed.next(), EngineError);
}

}  // namespace duet::testing

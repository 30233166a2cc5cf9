// Rows of work that are held back, recorded and replayed: in order, with this time's arguments, and only
// where the row is one that was seen before.
#include "engine/backend/cuda/replay.h"

#include <algorithm>
#include <doctest/doctest.h>
#include <vector>

#include "engine/backend/cuda/cuda.h"
#include "engine/backend/cuda/launch.h"
#include "tests/engine/cuda/host_driver.h"

namespace duet::testing {
namespace {

using cuda::Replay;

// x = 2 x + added, so that what is done twice, not at all or in another order shows.
struct Step {
  long* x;
  long added;
  DUET_HOST_DEVICE void operator()(Index i) const { x[i] = (2 * x[i] + added) % 1000003; }
};

struct Device {
  std::shared_ptr<HostDriver> host = std::make_shared<HostDriver>();
  Replay replay{host};
  std::vector<long> x = std::vector<long>(4, 1);
  std::vector<long> expected = x;

  // `other` in place of the row's usual number at place 3.
  void row(std::size_t works, long other = 3) {
    for (std::size_t i = 0; i < works; ++i) {
      const long number = i == 3 ? other : static_cast<long>(i);
      cuda::for_items(replay, "step", 4, Step{x.data(), number});
      for (Index j = 0; j < 4; ++j) Step{expected.data(), number}(j);
    }
  }
  void check() {
    replay.synchronize();
    CHECK(x == expected);
  }
};

TEST_CASE("a row is queued one by one, then recorded, then replayed with the arguments of the time") {
  Device device;
  device.row(20);
  CHECK(device.x == std::vector<long>(4, 1));  // held back
  device.check();
  CHECK(device.replay.counters().alone == 20);
  device.row(20);
  device.check();
  CHECK(device.replay.counters().recordings == 1);
  CHECK(device.replay.counters().replayed == 20);
  for (const long other : {3, 77, 78, 3}) {
    device.row(20, other);
    device.check();
  }
  CHECK(device.replay.counters().recordings == 1);
  CHECK(device.replay.counters().replayed == 5 * 20);
  CHECK(device.replay.counters().exchanged == 3);
  CHECK(device.replay.counters().alone == 20);
  CHECK(device.host->calls.launches.size() == 6 * 20);
}

TEST_CASE("a mark comes after what was held back") {
  Device device;
  const Mark before = device.replay.mark();
  device.row(5);
  const Mark after = device.replay.mark();
  CHECK(device.x == device.expected);
  CHECK(device.replay.seconds(before, after) > 0);
}

TEST_CASE("long rows are cut, short ones are never recorded") {
  Device device;
  for (int time = 0; time < 3; ++time) {
    device.row(2 * Replay::kMost + Replay::kLeast - 1);
    device.check();
  }
  // The second part is seen as the first once more, with other arguments.
  CHECK(device.replay.counters().recordings == 2);
  CHECK(device.replay.counters().alone == Replay::kMost + 3 * (Replay::kLeast - 1));
}

TEST_CASE("rows that differ in more than half of their arguments are recordings of their own") {
  Device device;
  std::vector<long> other(4, 5), known = other;
  const auto both = [&] {
    device.row(10);
    device.check();
    for (long i = 0; i < 10; ++i) {
      cuda::for_items(device.replay, "step", 4, Step{other.data(), i});
      for (Index j = 0; j < 4; ++j) Step{known.data(), i}(j);
    }
    device.replay.synchronize();
    CHECK(other == known);
  };
  for (int time = 0; time < 4; ++time) both();
  CHECK(device.replay.counters().recordings == 2);
  CHECK(device.replay.counters().exchanged == 0);
}

TEST_CASE("what is read, written or freed beside the stream comes after what was held back") {
  Device device;
  const auto held = [&] {
    device.row(9);
    return device.x != device.expected;
  };
  std::vector<long> host(4);
  CHECK(held());
  device.replay.download(host.data(), device.x.data(), 4 * sizeof(long));
  CHECK(host == device.expected);
  CHECK(held());
  device.replay.upload(host.data(), device.x.data(), 4 * sizeof(long));
  CHECK(host == device.expected);
  void* block = device.replay.allocate(64);
  CHECK(held());
  device.replay.release(block);
  CHECK(device.x == device.expected);
  void* staging = device.replay.allocate_staging(64);
  CHECK(held());
  device.replay.upload_beside(host.data(), staging, 4 * sizeof(long));
  CHECK(device.x == device.expected);
  CHECK(held());
  device.replay.await_uploads();
  CHECK(device.x == device.expected);
  CHECK(held());
  device.replay.release_staging(staging);
  CHECK(device.x == device.expected);
  CHECK(held());
  // Which tries engines on the stream.
  cuda::ConvCall call{};
  call.x = call.y = {1, 4, 4, 4, 16};
  call.w = {16, 3, 3, 3, 16};
  CHECK(device.replay.choose(call, nullptr).plan);
  CHECK(device.x == device.expected);
  CHECK(held());
  CHECK(device.replay.choose(call, nullptr).plan);  // known by now
  CHECK(device.x != device.expected);
  device.check();
}

TEST_CASE("products keep their operands: with others they are another row") {
  Device device;
  const float a[] = {1, 2, 3, 4}, b[] = {5, 6, 7, 8};
  float to[2][4] = {};
  for (int time = 0; time < 8; ++time) {
    cuda::GemmCall call{};
    call.m = call.n = call.k = 2;
    call.a = a;
    call.b = b;
    call.c = to[time % 2];
    device.row(10);
    device.replay.gemm(call, nullptr);
    device.replay.set_bytes(to[time % 2], 0, sizeof(float));
    device.check();
    CHECK(to[time % 2][0] == 0.0f);
    CHECK(to[time % 2][3] == 3.0f * 6 + 4.0f * 8);
    std::fill_n(to[time % 2], 4, -1.0f);
  }
  CHECK(device.replay.counters().recordings == 2);
  CHECK(device.replay.counters().exchanged == 0);
  CHECK(device.host->calls.gemms.size() == 8);
}

TEST_CASE("fills of another size are another row; of none they are nothing") {
  Device device;
  std::vector<unsigned char> bytes(64);
  for (int time = 0; time < 6; ++time) {
    const std::size_t size = time % 2 ? 16 : 64;
    std::fill(bytes.begin(), bytes.end(), std::uint8_t{9});
    device.row(10);
    device.replay.set_bytes(bytes.data(), time, size);
    device.replay.set_bytes(bytes.data(), 77, 0);
    device.check();
    CHECK(bytes[size - 1] == time);
    CHECK(bytes.back() == (size == 64 ? time : 9));
  }
  CHECK(device.replay.counters().recordings == 2);
  CHECK(device.replay.counters().exchanged == 2);  // the value
}

TEST_CASE("where a recording cannot be changed or launched its row is queued one by one") {
  for (const bool exchange : {true, false}) {
    Device device;
    for (const long other : {3, 3, 4}) {
      device.row(20, other);
      device.check();
    }
    CHECK(device.replay.counters().runs == 2);
    (exchange ? device.host->takes_exchanges : device.host->runs_recordings) = false;
    for (const long other : {4, 5, 6, 7, 8, 8}) {
      device.row(20, other);
      device.check();
    }
    CHECK(device.replay.counters().recordings <= 8);
  }
}

TEST_CASE("of rows that differ in everything the last used recordings stay") {
  Device device;
  std::vector<std::vector<long>> many(9, std::vector<long>(4, 1));
  const auto row_on = [&](std::vector<long>& x) {
    for (long i = 0; i < 10; ++i) cuda::for_items(device.replay, "step", 4, Step{x.data(), i});
    device.replay.synchronize();
  };
  for (auto& each : many) row_on(each);  // the first is seen once, the others are recorded
  const auto recordings = device.replay.counters().recordings;
  CHECK(recordings == 8);
  for (std::size_t i = 4; i < 9; ++i) row_on(many[i]);
  CHECK(device.replay.counters().recordings == recordings);
  row_on(many[0]);
  CHECK(device.replay.counters().recordings == recordings + 1);
  std::vector<long> expected(4, 1);
  for (long i = 0; i < 10; ++i) Step{expected.data(), i}(0);
  CHECK(many[1][0] == expected[0]);
}

// A driver whose launches fail.
TEST_CASE("what fails while memory is given back is told by the next call, and nothing stays held") {
  Device device;
  void* block = device.replay.allocate(64);
  cuda::ConvCall call{};
  call.activations = DType::u8;  // which the host's convolutions refuse
  const auto choice = device.replay.choose(call, nullptr);
  device.replay.convolve(call, choice, nullptr);
  device.replay.release(block);
  CHECK_THROWS_AS(device.replay.synchronize(), std::exception);
  CHECK_NOTHROW(device.replay.synchronize());
  device.row(3);
  device.check();
}

TEST_CASE("a device that cannot record goes on one by one") {
  Device device;
  device.host->records = false;
  for (int time = 0; time < 4; ++time) {
    device.row(20);
    device.check();
  }
  CHECK(device.replay.counters().recordings == 0);
  CHECK(device.replay.counters().alone == 4 * 20);
}

}  // namespace
}  // namespace duet::testing

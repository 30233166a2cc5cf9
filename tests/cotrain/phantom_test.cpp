// The phantom: always the same bytes, always the same topology, never solved by a threshold.
#include "cotrain/phantom/phantom.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <doctest/doctest.h>
#include <set>

#include "cotrain/metrics/components.h"
#include "cotrain/metrics/threshold.h"
#include "engine/core/errors.h"
#include "engine/core/parallel.h"

namespace duet {

TEST_CASE("a case is a function of seed, index and spec alone") {
  const int threads = max_threads();
  set_threads(1);
  const PhantomCase one = make_phantom(3, 7);
  set_threads(3);
  make_phantom(4, 1);
  const PhantomCase again = make_phantom(3, 7);
  set_threads(threads);
  CHECK(one.size == again.size);
  CHECK(one.spacing == again.spacing);
  CHECK(one.image == again.image);
  CHECK(one.labels == again.labels);
  CHECK(make_phantom(3, 8).image != one.image);
  CHECK(make_phantom(4, 7).image != one.image);
}

TEST_CASE(
    "the same topology in every case: one inner organ, inside one outer organ, inside the image's tissue") {
  std::set<Triple> sizes;
  for (std::uint32_t index = 0; index < 24; ++index) {
    PhantomCase c = make_phantom(11, index);
    CAPTURE(index);
    sizes.insert(c.size);
    const auto voxels = static_cast<std::size_t>(checked_elements({1, c.size[0], c.size[1], c.size[2], 1}));
    REQUIRE(c.image.size() == voxels);
    REQUIRE(c.labels.size() == voxels);
    CHECK(std::all_of(c.image.begin(), c.image.end(), [](float v) { return std::isfinite(v); }));
    CHECK(*std::max_element(c.labels.begin(), c.labels.end()) == 2);
    const auto inner = std::count(c.labels.begin(), c.labels.end(), 2),
               outer = std::count(c.labels.begin(), c.labels.end(), 1);
    CHECK(static_cast<double>(outer) > 0.02 * static_cast<double>(voxels));
    CHECK(static_cast<double>(inner) > 0.006 * static_cast<double>(voxels));
    CHECK(c.spacing[0] > 1.2);
    CHECK(c.spacing[0] < 1.8);
    const Triple stride = {c.size[1] * c.size[2], c.size[2], 1};
    Index touching = 0, open = 0;
    for (Index i = 0; i < static_cast<Index>(voxels); ++i) {
      if (c.labels[i] == 0) continue;
      const Triple at = {i / stride[0], i / stride[1] % c.size[1], i % c.size[2]};
      for (int axis = 0; axis < 3; ++axis) {
        if (at[axis] == 0 || at[axis] == c.size[axis] - 1) {
          ++touching;
        } else if (c.labels[i] == 2 && (c.labels[i - stride[axis]] == 0 || c.labels[i + stride[axis]] == 0)) {
          ++open;
        }
      }
    }
    CHECK(touching == 0);  // the whole organ is in the image
    CHECK(open == 0);      // background never touches the inner organ
    CHECK(largest_component(c.labels, c.size, 3) == 0);
  }
  CHECK(sizes.size() > 12);
}

TEST_CASE("no threshold of the intensities finds a class") {
  constexpr int kCases = 16;
  double single[3] = {}, interval[3] = {}, worst[3] = {};
  double slowest = 0;
  for (std::uint32_t index = 0; index < kCases; ++index) {
    const auto start = std::chrono::steady_clock::now();
    const PhantomCase c = make_phantom(0, index);
    slowest =
        std::max(slowest, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    for (std::uint8_t organ = 1; organ <= 2; ++organ) {
      const double one = best_threshold_dice(c.image, c.labels, organ).dice;
      const double two = best_interval_dice(c.image, c.labels, organ).dice;
      single[organ] += one / kCases;
      interval[organ] += two / kCases;
      worst[organ] = std::max({worst[organ], one, two});
    }
  }
  for (int organ = 1; organ <= 2; ++organ) {
    MESSAGE("class " << organ << ": best threshold a case, mean Dice " << single[organ] << "; best interval "
                     << interval[organ] << "; best of all cases " << worst[organ]);
    CHECK(single[organ] < 0.6);
    CHECK(interval[organ] < 0.6);
    CHECK(worst[organ] < 0.65);
  }
  MESSAGE("slowest case " << slowest << " s");
}

TEST_CASE("2D images, other sizes and specs that make no image") {
  PhantomSpec flat;
  flat.size = {1, 64, 48};
  flat.spacing = {1, 1, 1};
  int with_both = 0;
  for (std::uint32_t index = 0; index < 10; ++index) {
    const PhantomCase c = make_phantom(2, index, flat);
    CHECK(c.size[0] == 1);
    with_both += std::count(c.labels.begin(), c.labels.end(), 2) > 0 &&
                 std::count(c.labels.begin(), c.labels.end(), 1) > 0;
  }
  CHECK(with_both == 10);
  PhantomSpec plain;
  plain.size_variation = 0;
  plain.noise = plain.bias = plain.texture = plain.neighbours = plain.deformation = plain.shift = 0;
  CHECK(make_phantom(1, 1, plain).size == plain.size);
  for (const auto& spoil : std::vector<void (*)(PhantomSpec&)>{
           [](PhantomSpec& s) {
             s.size = {0, 40, 40};
           },
           [](PhantomSpec& s) {
             s.size = {40, 1, 40};
           },
           [](PhantomSpec& s) {
             s.size = {4096, 4096, 4096};
           },
           [](PhantomSpec& s) { s.spacing[1] = 0; }, [](PhantomSpec& s) { s.noise = NAN; },
           [](PhantomSpec& s) { s.bias = 1; }, [](PhantomSpec& s) { s.size_variation = -1; }}) {
    PhantomSpec bad;
    spoil(bad);
    CHECK_THROWS_AS(make_phantom(1, 1, bad), EngineError);
  }
}

}  // namespace duet

// The distance transform and the whole of evaluate_class against their definitions, voxel by voxel.
#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>

#include "tests/cotrain/metrics_volumes.h"

namespace duet {
namespace {

using testing::random_volume;
using testing::Volume;

double squared_mm(Index a, Index b, const Triple& size, const Spacing& spacing) {
  const Index plane = size[1] * size[2];
  const double d = static_cast<double>(a / plane - b / plane) * spacing[0];
  const double h = static_cast<double>(a / size[2] % size[1] - b / size[2] % size[1]) * spacing[1];
  const double w = static_cast<double>(a % size[2] - b % size[2]) * spacing[2];
  return d * d + h * h + w * w;
}

// By the definition, without the code under test: six neighbours, each looked up.
std::vector<Index> plain_surface(Volume& v) {
  std::vector<Index> surface;
  const auto inside = [&](Index d, Index h, Index w) {
    return d >= 0 && h >= 0 && w >= 0 && d < v.size[0] && h < v.size[1] && w < v.size[2] && v.at(d, h, w);
  };
  for (Index i = 0; i < static_cast<Index>(v.labels.size()); ++i) {
    const Index d = i / (v.size[1] * v.size[2]), h = i / v.size[2] % v.size[1], w = i % v.size[2];
    if (!v.labels[i]) continue;
    if (!(inside(d - 1, h, w) && inside(d + 1, h, w) && inside(d, h - 1, w) && inside(d, h + 1, w) &&
          inside(d, h, w - 1) && inside(d, h, w + 1))) {
      surface.push_back(i);
    }
  }
  return surface;
}

double nearest(Index from, const std::vector<Index>& to, const Triple& size, const Spacing& spacing) {
  double best = kFar;
  for (const Index t : to) best = std::min(best, squared_mm(from, t, size, spacing));
  return best;
}

const std::vector<Triple> kSizes = {{9, 11, 13}, {1, 12, 9}, {7, 1, 10}, {6, 8, 1},
                                    {1, 1, 17},  {1, 1, 1},  {12, 5, 6}, {3, 16, 4}};
const std::vector<Spacing> kSpacings = {{1, 1, 1}, {3, 0.7, 0.7}, {0.31, 2.4, 1.1}};

}  // namespace

TEST_CASE("distance transform equals brute force") {
  int cases = 0;
  for (const Triple& size : kSizes) {
    for (const Spacing& spacing : kSpacings) {
      for (const double share : {0.0, 0.02, 0.3, 1.0}) {
        const Volume v = random_volume(size, static_cast<std::uint32_t>(cases++), share);
        std::vector<Index> seeds;
        for (std::size_t i = 0; i < v.labels.size(); ++i) {
          if (v.labels[i]) seeds.push_back(static_cast<Index>(i));
        }
        const std::vector<double> field = squared_distances(seeds, size, spacing);
        double worst = 0;
        for (std::size_t i = 0; i < field.size(); ++i) {
          const double expected = nearest(static_cast<Index>(i), seeds, size, spacing);
          if (expected == kFar || field[i] == kFar) {
            CHECK(field[i] == expected);
          } else {
            worst = std::max(worst, std::abs(field[i] - expected) / (1 + expected));
          }
        }
        CHECK(worst < 1e-13);
      }
    }
  }
  MESSAGE(cases << " volumes");
}

TEST_CASE("evaluate_class equals the definition on random volumes") {
  int cases = 0;
  for (const Triple& size : kSizes) {
    for (const Spacing& spacing : kSpacings) {
      Volume a = random_volume(size, static_cast<std::uint32_t>(200 + cases), 0.55);
      Volume b = random_volume(size, static_cast<std::uint32_t>(300 + cases), 0.75);
      a.labels.front() = b.labels.back() = 1;  // neither is empty
      ++cases;
      const ClassMetrics m = testing::compare(a, b, spacing);
      const std::vector<Index> sa = plain_surface(a), sb = plain_surface(b);
      CHECK(surface_voxels(a.labels, size) == sa);
      std::vector<double> pooled;
      double there = 0, back = 0;
      for (const Index i : sa) there += pooled.emplace_back(std::sqrt(nearest(i, sb, size, spacing)));
      for (const Index i : sb) back += pooled.emplace_back(std::sqrt(nearest(i, sa, size, spacing)));
      there /= static_cast<double>(sa.size());
      back /= static_cast<double>(sb.size());
      CHECK(*m.asd == doctest::Approx(there).epsilon(1e-12));
      CHECK(*m.assd == doctest::Approx(0.5 * (there + back)).epsilon(1e-12));
      std::sort(pooled.begin(), pooled.end());
      const double rank = 0.95 * static_cast<double>(pooled.size() - 1);
      const auto low = static_cast<std::size_t>(rank);
      const double high = pooled[std::min(low + 1, pooled.size() - 1)];
      CHECK(*m.hd95 == doctest::Approx(pooled[low] + (rank - static_cast<double>(low)) * (high - pooled[low]))
                           .epsilon(1e-12));
    }
  }
  MESSAGE(cases << " volumes");
}

TEST_CASE("the bounding box holds both masks and nothing more") {
  Volume a({6, 7, 8}), b({6, 7, 8});
  CHECK(bounding_box(a.labels, b.labels, a.size, 1).empty());
  a.at(1, 5, 2) = 1;
  b.at(4, 3, 7) = 1;
  const Box box = bounding_box(a.labels, b.labels, a.size, 1);
  CHECK(box.begin == Triple{1, 3, 2});
  CHECK(box.end == Triple{5, 6, 8});
  const std::vector<std::uint8_t> mask = crop_mask(a.labels, a.size, box, 1);
  CHECK(std::count(mask.begin(), mask.end(), 1) == 1);
  CHECK(mask[(0 * 3 + 2) * 6 + 0] == 1);
}

}  // namespace duet

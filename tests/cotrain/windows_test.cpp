#include "cotrain/predict/windows.h"

#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <numeric>

#include "cotrain/train/trainer.h"
#include "engine/core/errors.h"

using namespace duet;

namespace {

bool covers(const std::vector<Index>& corners, Index size, Index patch) {
  std::vector<bool> covered(static_cast<std::size_t>(size));
  for (Index corner : corners) {
    if (corner < 0 || corner + patch > size) return false;
    for (Index i = 0; i < patch; ++i) covered[static_cast<std::size_t>(corner + i)] = true;
  }
  return std::find(covered.begin(), covered.end(), false) == covered.end();
}

}  // namespace

TEST_CASE("windows cover every voxel, end at the border and are spread evenly") {
  CHECK(window_corners(32, 32, 0.5) == std::vector<Index>{0});
  CHECK(window_corners(33, 32, 0.5) == std::vector<Index>{0, 1});
  CHECK(window_corners(64, 32, 0.5) == std::vector<Index>{0, 16, 32});
  CHECK(window_corners(70, 32, 0.0) == std::vector<Index>{0, 19, 38});
  CHECK(window_corners(65, 32, 0.5) == std::vector<Index>{0, 11, 22, 33});
  CHECK(window_corners(3, 1, 0.5) == std::vector<Index>{0, 1, 2});
  CHECK(window_corners(16, 10, 0.7) == std::vector<Index>{0, 3, 6});  // 10 (1 - 0.7) > 3 in double
  for (Index size = 16; size < 80; ++size) {
    for (double overlap : {0.0, 0.25, 0.5, 0.9}) {
      const std::vector<Index> corners = window_corners(size, 16, overlap);
      CHECK(covers(corners, size, 16));
      CHECK(corners.back() + 16 == size);
      const Index step = static_cast<Index>(std::ceil(16 * (1 - overlap)));
      CHECK(static_cast<Index>(corners.size()) == 1 + (size - 16 + step - 1) / step);  // as few as can be
      Index least = size, most = 0;
      for (std::size_t i = 1; i < corners.size(); ++i) {
        least = std::min(least, corners[i] - corners[i - 1]);
        most = std::max(most, corners[i] - corners[i - 1]);
      }
      if (corners.size() > 1) CHECK(most - least <= 1);
      CHECK(most <= step);
    }
  }
}

TEST_CASE("a stride that is asked for is kept, the last window ends at the border") {
  CHECK(window_corners(88, 80, 0.5, 4) == std::vector<Index>{0, 4, 8});
  CHECK(window_corners(142, 112, 0.5, 18) == std::vector<Index>{0, 18, 30});
  CHECK(window_corners(190, 112, 0.5, 18) == std::vector<Index>{0, 18, 36, 54, 72, 78});
  CHECK(window_corners(148, 112, 0.5, 18) == std::vector<Index>{0, 18, 36});
  CHECK(window_corners(112, 112, 0.5, 18) == std::vector<Index>{0});
  CHECK(window_corners(30, 10, 0.5, 10) == std::vector<Index>{0, 10, 20});
  CHECK_THROWS_AS(window_corners(30, 10, 0.5, 11), EngineError);  // voxels in between would not be seen
}

TEST_CASE("groups hold every window once in order, in even batches, and complete every plane") {
  struct Row {
    Triple size, patch, stride;
    Index batch, groups, planes;
  };
  for (const Row& row :
       {Row{{88, 142, 190}, {80, 112, 112}, {4, 18, 18}, 2, 3, 80},
        Row{{40, 24, 24}, {16, 16, 16}, {}, 8, 4, 16}, Row{{16, 16, 16}, {16, 16, 16}, {}, 8, 1, 16},
        Row{{21, 24, 16}, {1, 16, 16}, {}, 8, 6, 4},    // 2 windows a plane
        Row{{5, 40, 40}, {1, 16, 16}, {}, 8, 5, 1}}) {  // 16 windows a plane
    const auto groups = window_groups(row.size, row.patch, 0.5, row.stride, row.batch);
    CHECK(static_cast<Index>(groups.size()) == row.groups);
    CHECK(ring_planes(groups, row.patch) == row.planes);
    std::vector<Triple> all;
    Index complete = 0;
    for (const WindowGroup& group : groups) {
      CHECK(group.first == complete);
      complete = group.complete;
      const auto count = static_cast<Index>(group.corners.size());
      CHECK(std::accumulate(group.batches.begin(), group.batches.end(), Index{0}) == count);
      CHECK(static_cast<Index>(group.batches.size()) == (count + row.batch - 1) / row.batch);
      CHECK(group.batches.front() <= row.batch);
      CHECK(group.batches.front() - group.batches.back() <= 1);
      for (const Triple& corner : group.corners) {
        CHECK(corner[0] >= group.first);
        all.push_back(corner);
      }
    }
    CHECK(complete == row.size[0]);
    std::vector<Triple> expected;
    for (Index d : window_corners(row.size[0], row.patch[0], 0.5, row.stride[0])) {
      for (Index h : window_corners(row.size[1], row.patch[1], 0.5, row.stride[1])) {
        for (Index w : window_corners(row.size[2], row.patch[2], 0.5, row.stride[2])) {
          expected.push_back({d, h, w});
        }
      }
    }
    CHECK(all == expected);
  }
}

TEST_CASE("no batch crosses the places of the draws") {
  Index number = 0;
  for (const WindowGroup& group : window_groups({66000, 8, 4}, {1, 4, 4}, 0.5, {}, 7)) {
    for (Index count : group.batches) {
      REQUIRE((count >= 1 && count <= 7));
      REQUIRE(number / kWindowPlaces == (number + count - 1) / kWindowPlaces);
      number += count;
    }
  }
  CHECK(number == 66000 * 3);
}

TEST_CASE("the batch follows the patch") {
  CHECK(window_batch({80, 112, 112}) == 2);
  CHECK(window_batch({32, 48, 32}) == 8);
  CHECK(window_batch({256, 256, 256}) == 1);
  CHECK(window_batch({1, 512, 512}) == 8);
}

TEST_CASE("passes are folded as far as their batch keeps within that of windows") {
  CHECK(window_fold({32, 48, 32}, 8, 8) == 4);
  CHECK(window_fold({32, 48, 32}, 1, 8) == 8);
  CHECK(window_fold({32, 48, 32}, 8, 7) == 1);  // a divisor
  CHECK(window_fold({80, 112, 112}, 2, 8) == 1);
  CHECK(window_fold({8, 8, 8}, 8, 0) == 1);
}

TEST_CASE("the window's weights are a Gaussian of sigma = patch / 8, highest in the middle") {
  const auto weights = window_weights({1, 9, 17});
  CHECK(weights[4 * 17 + 8] == doctest::Approx(1.0));
  const double z = 4.0 / (17.0 / 8);
  CHECK(weights[4 * 17 + 4] == doctest::Approx(std::exp(-z * z / 2)));
  for (float w : weights) CHECK(w >= 1e-3f);
}

TEST_CASE("inference.stride reaches the windows, and may not pass over voxels") {
  ConfigValues values(run_schema());
  values.assign("data.dataset", std::string("unused"), "test");
  values.assign("inference.stride", Triple{4, 18, 18}, "test");
  ConfigErrors none, errors;
  CHECK(window_config(to_run_config(values, none)).stride == Triple{4, 18, 18});
  CHECK(none.empty());
  values.assign("inference.stride", Triple{4, 113, 18}, "test");
  to_run_config(values, errors);
  REQUIRE(errors.lines().size() == 1);
  CHECK(errors.lines()[0].find("inference.stride") != std::string::npos);
}

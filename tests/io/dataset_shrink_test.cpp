// Blocks of voxels taken together, against values by hand.
#include <cmath>
#include <numeric>

#include "io/dataset/shrink.h"
#include "tests/io/temporary_folder.h"

using namespace duet;
using namespace duet::testing;

TEST_CASE("block means by hand, of odd sizes whose last blocks are cut off") {
  const Blocks blocks{{2, 3, 5}, {2, 2, 2}};
  CHECK(!blocks.whole());
  CHECK(blocks.count() == Triple{1, 2, 3});
  std::vector<float> values(30);  // 15 d + 5 h + w
  std::iota(values.begin(), values.end(), 0.0f);
  CHECK(block_means(values, blocks) == std::vector<float>{10.5f, 12.5f, 14.0f, 18.0f, 20.0f, 21.5f});
  // Along one axis alone, and blocks larger than the image.
  const Blocks along{{2, 3, 5}, {1, 1, 3}};
  CHECK(along.count() == Triple{2, 3, 2});
  CHECK(block_means(values, along) ==
        std::vector<float>{1, 3.5f, 6, 8.5f, 11, 13.5f, 16, 18.5f, 21, 23.5f, 26, 28.5f});
  CHECK(block_means(values, {{2, 3, 5}, {8, 8, 8}}) == std::vector<float>{14.5f});
}

TEST_CASE("means of extreme values stay finite") {
  const std::vector<float> means = block_means(std::vector<float>(8, 3e38f), {{2, 2, 2}, {2, 2, 2}});
  CHECK(means == std::vector<float>{3e38f});
}

TEST_CASE(
    "block majorities by hand: the most frequent class, of equals the smallest and the greatest in turn") {
  const std::vector<std::uint8_t> labels = {
      0, 1, 2, 2, 3,  //
      1, 1, 2, 3, 3,  //
      0, 0, 5, 4, 7,
  };
  const Blocks blocks{{1, 3, 5}, {2, 2, 2}};
  CHECK(blocks.count() == Triple{1, 2, 3});
  CHECK(block_majorities(labels, blocks) == std::vector<std::uint8_t>{1, 2, 3, 0, 4, 7});
  // Half background, half foreground; not the order of the voxels decides.
  CHECK(block_majorities({1, 1, 0, 0}, {{1, 2, 2}, {1, 2, 2}}) == std::vector<std::uint8_t>{0});
  CHECK(block_majorities({0, 1, 1, 0}, {{1, 2, 2}, {1, 2, 2}}) == std::vector<std::uint8_t>{0});
  CHECK(block_majorities({255, 255, 254, 3}, {{1, 2, 2}, {1, 2, 2}}) == std::vector<std::uint8_t>{255});
  CHECK(block_majorities({255, 254, 255, 254}, {{4, 1, 1}, {4, 1, 1}}) == std::vector<std::uint8_t>{254});
  const std::vector<std::uint8_t> ties = {0, 1, 0, 1, 1, 0, 1, 0, 2, 2};
  CHECK(block_majorities(ties, {{1, 1, 10}, {1, 1, 2}}) == std::vector<std::uint8_t>{0, 1, 0, 1, 2});
  CHECK(block_majorities(ties, {{1, 10, 1}, {1, 2, 1}}) == std::vector<std::uint8_t>{0, 1, 0, 1, 2});
  CHECK(block_majorities(ties, {{10, 1, 1}, {2, 1, 1}}) == std::vector<std::uint8_t>{0, 1, 0, 1, 2});
  CHECK(block_majorities({1, 1, 3, 3, 2, 2, 1, 3, 3, 2, 2, 1}, {{1, 1, 12}, {1, 1, 6}}) ==
        std::vector<std::uint8_t>{1, 3});  // three tie
  // Nothing of a block is left behind for the next one.
  CHECK(block_majorities({1, 1, 1, 0, 0, 2, 1, 2, 2}, {{1, 1, 9}, {1, 1, 3}}) ==
        std::vector<std::uint8_t>{1, 0, 2});
}

TEST_CASE("blocks of one voxel change nothing") {
  const Blocks blocks{{3, 2, 5}, {1, 1, 1}};
  CHECK(blocks.whole());
  CHECK(blocks.count() == blocks.size);
  std::vector<float> values(30);
  std::vector<std::uint8_t> labels(30);
  for (std::size_t i = 0; i < 30; ++i) {
    values[i] = std::sin(static_cast<float>(i)) * 1e-30f;
    labels[i] = static_cast<std::uint8_t>(i * 37 % 256);
  }
  CHECK(block_means(values, blocks) == values);
  CHECK(block_majorities(labels, blocks) == labels);
}

TEST_CASE("values of another count and sizes of nothing are bugs") {
  CHECK_THROWS_AS(block_means(std::vector<float>(7), {{2, 2, 2}, {2, 2, 2}}), EngineError);
  CHECK_THROWS_AS(block_majorities(std::vector<std::uint8_t>(9), {{2, 2, 2}, {2, 2, 2}}), EngineError);
  CHECK_THROWS_AS(block_means({}, {{0, 2, 2}, {2, 2, 2}}), EngineError);
  CHECK_THROWS_AS(block_means(std::vector<float>(8), {{2, 2, 2}, {2, 0, 2}}), EngineError);
}

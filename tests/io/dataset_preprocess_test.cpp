#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <numeric>

#include "io/dataset/preprocess.h"
#include "tests/io/temporary_folder.h"

using namespace duet;
using namespace duet::testing;

TEST_CASE("z-score has mean 0 and std 1, also far from 0") {
  std::vector<float> values;
  for (int i = 0; i < 1000; ++i) values.push_back(1e6f + static_cast<float>(i % 17));
  zscore(values);
  double sum = 0, squares = 0;
  for (float v : values) sum += v, squares += double{v} * v;
  CHECK(std::abs(sum / 1000) < 1e-6);
  CHECK(std::abs(squares / 1000 - 1) < 1e-6);
  std::vector<float> two = {1, 3};
  zscore(two);
  CHECK(two == std::vector<float>{-1, 1});
}

TEST_CASE("z-score of a constant, an empty, an extreme and a non-finite image") {
  std::vector<float> constant(1001, 0.1f);
  zscore(constant);
  CHECK(constant == std::vector<float>(1001, 0.0f));
  std::vector<float> empty;
  zscore(empty);
  CHECK(empty.empty());
  std::vector<float> extreme = {-3e38f, 3e38f, 3e38f};
  zscore(extreme);
  for (float v : extreme) CHECK(std::isfinite(v));
  for (float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    std::vector<float> values = {1, bad, 2};
    expect_error(caught([&] { zscore(values); }), ExitCode::data, {"not finite"});
  }
}

TEST_CASE("pad and crop undo each other for odd, even and large-enough sizes") {
  struct Row {
    Triple size, least, padded, offset;
  };
  const Row rows[] = {
      {{3, 4, 5}, {8, 8, 8}, {8, 8, 8}, {2, 2, 1}}, {{3, 4, 5}, {3, 4, 5}, {3, 4, 5}, {0, 0, 0}},
      {{3, 4, 5}, {1, 1, 1}, {3, 4, 5}, {0, 0, 0}}, {{3, 9, 5}, {4, 8, 5}, {4, 9, 5}, {0, 0, 0}},
      {{1, 1, 1}, {2, 3, 4}, {2, 3, 4}, {0, 1, 1}},
  };
  for (const Row& row : rows) {
    const PadFrame frame = pad_frame(row.size, row.least);
    CHECK(frame.size == row.padded);
    CHECK(frame.offset == row.offset);
    CHECK(frame.extent == row.size);
    CHECK(frame.padded() == (row.size != row.padded));
    for (Index channels : {1, 3}) {
      const Index count = row.size[0] * row.size[1] * row.size[2] * channels;
      std::vector<float> values(static_cast<std::size_t>(count));
      std::iota(values.begin(), values.end(), 1.0f);
      const std::vector<float> padded = pad(values, frame, channels);
      CHECK(static_cast<Index>(padded.size()) == frame.size[0] * frame.size[1] * frame.size[2] * channels);
      CHECK(std::accumulate(padded.begin(), padded.end(), 0.0) ==
            std::accumulate(values.begin(), values.end(), 0.0));
      const Index first =
          ((row.offset[0] * frame.size[1] + row.offset[1]) * frame.size[2] + row.offset[2]) * channels;
      CHECK(padded[static_cast<std::size_t>(first)] == 1.0f);
      CHECK(crop(padded, frame, channels) == values);
    }
  }
  const PadFrame frame = pad_frame({1, 1, 2}, {1, 1, 4});
  CHECK(pad(std::vector<std::uint8_t>{7, 9}, frame) == std::vector<std::uint8_t>{0, 7, 9, 0});
  CHECK_THROWS_AS(pad(std::vector<float>(3), frame), EngineError);
  CHECK_THROWS_AS(crop(std::vector<float>(3), frame), EngineError);
  CHECK_THROWS_AS(pad_frame({0, 1, 1}, {1, 1, 1}), EngineError);
}

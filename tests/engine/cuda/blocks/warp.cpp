#include "tests/engine/cuda/blocks/warp.h"

#include <cstring>

#include "engine/core/bf16.h"
#include "engine/core/errors.h"

namespace duet::blocks {
namespace {

using Half = std::uint16_t;

float value(Half bits) {
  bf16 half{};
  half.bits = bits;
  return static_cast<float>(half);
}

// Lane i gives row i % 8 of matrix i / 8, and gets two elements of each matrix that follow one another along
// its row, or along its column.
void load(const WarpSteps& lanes, bool transposed) {
  Half matrices[4][8][8];
  for (int lane = 0; lane < kLanes; ++lane) {
    const auto address = reinterpret_cast<std::uintptr_t>(lanes[lane]->row);
    DUET_CHECK(address % 16 == 0, "ldmatrix: the row of lane ", lane, " is not aligned to 16 bytes");
    std::memcpy(matrices[lane / 8][lane % 8], lanes[lane]->row, 16);
  }
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int matrix = 0; matrix < 4; ++matrix) {
      Half pair[2];
      for (int i = 0; i < 2; ++i) {
        const int along = lane % 4 * 2 + i, across = lane / 4;
        pair[i] = transposed ? matrices[matrix][along][across] : matrices[matrix][across][along];
      }
      std::memcpy(lanes[lane]->words + matrix, pair, 4);
    }
  }
}

// Element i (0 or 1) of a register.
float element(std::uint32_t word, int i) { return value(static_cast<Half>(word >> (16 * i))); }

void multiply(const WarpSteps& lanes) {
  float a[16][16], b[16][8];
  for (int lane = 0; lane < kLanes; ++lane) {
    const int group = lane / 4, pair = lane % 4 * 2;
    for (int i = 0; i < 2; ++i) {
      for (int word = 0; word < 4; ++word) {
        a[group + word % 2 * 8][pair + word / 2 * 8 + i] = element(lanes[lane]->a[word], i);
      }
      for (int word = 0; word < 2; ++word) b[pair + word * 8 + i][group] = element(lanes[lane]->b[word], i);
    }
  }
  double sums[16][8] = {};
  for (int row = 0; row < 16; ++row) {
    for (int k = 0; k < 16; ++k) {
      for (int column = 0; column < 8; ++column) {
        sums[row][column] += static_cast<double>(a[row][k]) * static_cast<double>(b[k][column]);
      }
    }
  }
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int i = 0; i < 4; ++i) {
      float& sum = lanes[lane]->sums[i];
      sum = static_cast<float>(static_cast<double>(sum) + sums[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2]);
    }
  }
}

}  // namespace

void carry_out(const WarpSteps& lanes) {
  for (const Step* step : lanes) {
    DUET_CHECK(step->what == lanes[0]->what, "lanes of a warp do not ask for the same instruction");
  }
  if (lanes[0]->what == Step::What::multiply) return multiply(lanes);
  load(lanes, lanes[0]->what == Step::What::load_transposed);
}

}  // namespace duet::blocks

// The tables of op cases, a file a header of engine/ops. Used by ops_table.cpp and ops_bf16.cpp; a new op
// adds its shapes to one of them.
#pragma once

#include <vector>

#include "tests/support/op_case.h"

namespace duet::testing {

std::vector<OpCase> conv_cases();       // ops_cases_conv.cpp
std::vector<OpCase> norm_cases();       // ops_cases_norm.cpp
std::vector<OpCase> pointwise_cases();  // ops_cases_pointwise.cpp
std::vector<OpCase> region_cases();     // ops_cases_region.cpp
std::vector<OpCase> loss_cases();       // ops_cases_loss.cpp
std::vector<OpCase> fused_cases();      // ops_cases_fused.cpp

inline std::vector<OpCase> all_cases() {
  std::vector<OpCase> all;
  for (auto cases : {conv_cases, norm_cases, pointwise_cases, region_cases, loss_cases, fused_cases}) {
    for (OpCase& each : cases()) all.push_back(std::move(each));
  }
  return all;
}

// Shapes for ops that take any: odd, unequal, with sizes of 1, D = 1, more than a vector's width of channels.
inline std::vector<Shape> common_shapes() {
  return {{1, 1, 1, 1, 1}, {2, 3, 5, 4, 3}, {1, 1, 7, 5, 2}, {3, 2, 1, 3, 1}, {1, 5, 3, 1, 17},
          {2, 4, 4, 4, 8}, {5, 1, 1, 1, 4}, {1, 2, 3, 9, 5}, {4, 3, 1, 1, 2}};
}

}  // namespace duet::testing

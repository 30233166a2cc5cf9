// A network small enough for tests, and what to compare it by.
#pragma once

#include <algorithm>
#include <doctest/doctest.h>
#include <functional>

#include "engine/core/errors.h"
#include "tests/nn/golden.h"

namespace duet::testing {

inline NetworkConfig small(const std::string& architecture, NormKind norm = NormKind::instance,
                           int dimensions = 3) {
  NetworkConfig config;
  config.architecture = architecture;
  config.norm = norm;
  config.norm_groups = 2;
  config.dimensions = dimensions;
  config.width = 2;
  config.depth = 3;
  return config;
}

inline Tensor noises(Backend& backend, const Shape& shape, int which) {
  std::vector<double> values(static_cast<std::size_t>(shape.elements()));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = noise(i, which);
  return from_values(backend.memory, shape, DType::f32, values);
}

inline Var image(Backend& backend, const Shape& shape) { return Var::constant(noises(backend, shape, 5)); }

inline double difference(const Tensor& a, const std::vector<double>& b) {
  const std::vector<double> x = to_values(a);
  REQUIRE(x.size() == b.size());
  double most = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!std::isfinite(x[i] - b[i])) return HUGE_VAL;
    most = std::max(most, std::abs(x[i] - b[i]));
  }
  return most;
}

inline double difference(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  return difference(a, to_values(b));
}

inline std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const EngineError& error) {
    return error.what();
  }
  return "nothing was thrown";
}

}  // namespace duet::testing

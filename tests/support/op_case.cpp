#include "tests/support/op_case.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/ops/loss.h"
#include "engine/ops/pointwise.h"

namespace duet::testing {
namespace {

std::uint32_t hash_of(const std::string& name) {  // FNV-1a
  std::uint32_t hash = 2166136261u;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return hash;
}

double as_float(double x) { return static_cast<double>(static_cast<float>(x)); }
double as_bf16(double x) { return static_cast<double>(static_cast<float>(bf16(static_cast<float>(x)))); }

std::vector<double> separated_values(const PhiloxKey& key, std::size_t count) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const auto draw_a = draw_bits(key, 0, a), draw_b = draw_bits(key, 0, b);
    return draw_a != draw_b ? draw_a < draw_b : a < b;
  });
  const double n = static_cast<double>(count), gap = std::max(0.004, 4.0 / n);
  std::vector<double> values(count);
  // The shift by half a gap keeps off zero.
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = as_float((static_cast<double>(order[i]) - std::floor(n / 2) + 0.5) * gap);
  }
  return values;
}

Var input_var(Backend& backend, const OpInput& input, DType dtype, const std::vector<double>& values) {
  const DType type = input.values == Values::classes ? DType::u8
                     : input.role == Role::data      ? dtype
                                                     : master_type(dtype);
  return Var::constant(from_values(backend.memory, input.shape, type, values));
}

double loss_value(Backend& backend, const OpCase& op_case, const Operands& moved, const Operands& rest) {
  const NoGrad no_grad;
  const Var y = op_case.frozen ? op_case.frozen(backend, moved, rest) : op_case.run(backend, moved);
  return scalar_value(probe(backend, y).value());
}

std::vector<double> f32_values(const OpCase& op_case, std::size_t index) {
  const OpInput& input = op_case.inputs[index];
  const auto count = static_cast<std::size_t>(input.shape.elements());
  PhiloxKey key;
  key.layer = static_cast<std::uint32_t>(index);
  key.step = hash_of(op_case.op + "/" + op_case.name);
  if (input.values == Values::separated) return separated_values(key, count);
  std::vector<double> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    const double uniform = draw_uniform(key, 0, i);
    switch (input.values) {
      case Values::normal:
        values[i] = as_float(draw_normal(key, 0, i));
        break;
      case Values::weights:
        values[i] = i % 5 == 4 ? 0.0 : as_float(0.5 + uniform);
        break;
      case Values::apart:
        values[i] = as_float(uniform < 0.5 ? uniform - 1.5 : 0.5 + uniform);
        break;
      case Values::small:
        values[i] = as_float(0.2 * uniform - 0.1);
        break;
      case Values::classes:
        values[i] = draw_below(key, 0, i, static_cast<std::uint32_t>(input.classes));
        break;
      default:
        values[i] = as_float(0.5 + uniform);
    }
  }
  if (input.values == Values::distribution) {
    const auto channels = static_cast<std::size_t>(input.shape.c);
    for (std::size_t row = 0; row < count; row += channels) {
      const double sum = std::accumulate(values.begin() + static_cast<std::ptrdiff_t>(row),
                                         values.begin() + static_cast<std::ptrdiff_t>(row + channels), 0.0);
      for (std::size_t c = row; c < row + channels; ++c) values[c] = as_float(values[c] / sum);
    }
  }
  return values;
}

}  // namespace

std::vector<double> input_values(const OpCase& op_case, std::size_t index) {
  std::vector<double> values = f32_values(op_case, index);
  if (op_case.bf16_data && op_case.inputs[index].role == Role::data) {
    for (double& value : values) value = as_bf16(value);
  }
  return values;
}

bool differentiable(const OpCase& op_case, std::size_t input) {
  return op_case.inputs[input].role != Role::constant;
}

Leaves make_leaves(Backend& backend, const OpCase& op_case, DType dtype, const Wanted& wanted) {
  Leaves leaves;
  for (std::size_t i = 0; i < op_case.inputs.size(); ++i) {
    Var var = input_var(backend, op_case.inputs[i], dtype, input_values(op_case, i));
    ParameterPtr parameter;
    if (wanted(i)) {
      parameter = make_parameter(text("input ", i), var.value());
      var = Var::parameter(parameter);
    }
    leaves.operands.push_back(var);
    leaves.parameters.push_back(parameter);
  }
  return leaves;
}

Var probe(Backend& backend, const Var& y) {
  PhiloxKey key;
  key.network = 1;
  static std::vector<double> random;  // drawn once: the same for every shape
  const auto count = static_cast<std::size_t>(y.shape().elements());
  while (random.size() < count) random.push_back(as_bf16(draw_normal(key, 0, random.size())));
  const DType type = master_type(y.dtype());
  const Var direction = Var::constant(from_values(backend.memory, y.shape(), type, {random.data(), count}));
  return reduce_sum(backend, {}, multiply(backend, convert(backend, y, type), direction));
}

double prior_value(std::size_t element) { return 0.25 * (static_cast<double>(element % 7) - 3.0); }

CaseResult run_case(Backend& backend, const OpCase& op_case, DType dtype, const Wanted& wanted, Prior prior) {
  const Leaves leaves = make_leaves(backend, op_case, dtype, wanted);
  for (const ParameterPtr& parameter : leaves.parameters) {
    if (!parameter || prior == Prior::none) continue;
    std::vector<double> values(static_cast<std::size_t>(parameter->value.elements()),
                               std::numeric_limits<double>::quiet_NaN());
    for (std::size_t i = 0; prior == Prior::values && i < values.size(); ++i) values[i] = prior_value(i);
    parameter->gradient =
        from_values(backend.memory, parameter->value.shape(), parameter->value.dtype(), values);
    parameter->has_gradient = prior == Prior::values;
  }
  CaseResult result;
  const Var y = op_case.run(backend, leaves.operands);
  result.output = y.value();
  if (y.requires_gradient()) backward(backend, std::vector<LossTerm>{{probe(backend, y)}});
  for (const ParameterPtr& parameter : leaves.parameters) {
    result.gradients.push_back(parameter && parameter->has_gradient ? parameter->gradient : Tensor());
  }
  return result;
}

double relative_difference(const std::vector<double>& a, const std::vector<double>& b, double floor) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double largest = floor, difference = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double delta = std::abs(a[i] - b[i]);
    if (!std::isfinite(delta)) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, std::abs(b[i]));
    difference = std::max(difference, delta);
  }
  return difference / largest;
}

double relative_difference(const Tensor& a, const Tensor& b, double floor) {
  if (!a || !b || a.shape() != b.shape()) return std::numeric_limits<double>::infinity();
  return relative_difference(to_values(a), to_values(b), floor);
}

bool same_bytes(const Tensor& a, const Tensor& b) {
  if (!a || !b || a.shape() != b.shape() || a.dtype() != b.dtype()) return false;
  std::vector<char> left(a.bytes()), right(b.bytes());
  a.copy_to(left.data());
  b.copy_to(right.data());
  return left == right;
}

std::string check_gradient(Backend& backend, const OpCase& op_case, std::size_t samples) {
  constexpr double kStep = 1e-5, kTolerance = 1e-6;
  auto wanted = [&](std::size_t i) { return differentiable(op_case, i); };
  const CaseResult result = run_case(backend, op_case, DType::f64, wanted);
  const Operands rest = make_leaves(backend, op_case, DType::f64, [](std::size_t) { return false; }).operands;
  Operands moved = make_leaves(backend, op_case, DType::f64, [](std::size_t) { return false; }).operands;

  std::vector<double> largest(rest.size(), 1e-2);
  double along_gradient = 0.0, scale = 0.0;
  std::vector<std::vector<double>> directions(rest.size());
  PhiloxKey key;
  key.network = 2;
  for (std::size_t i = 0; i < rest.size(); ++i) {
    if (!wanted(i)) continue;
    if (!result.gradients[i]) return text("input ", i, " got no gradient");
    const std::vector<double> gradient = to_values(result.gradients[i]);
    key.layer = static_cast<std::uint32_t>(i);
    for (std::size_t k = 0; k < gradient.size(); ++k) {
      if (!std::isfinite(gradient[k])) return text("input ", i, "[", k, "]: the gradient is ", gradient[k]);
      largest[i] = std::max(largest[i], std::abs(gradient[k]));
      directions[i].push_back(draw_normal(key, 0, k));
      along_gradient += gradient[k] * directions[i].back();
      scale += std::abs(gradient[k] * directions[i].back());
    }
    const std::size_t checked = std::min(samples, gradient.size());
    for (std::size_t sample = 0; sample < checked; ++sample) {
      // All elements where there are few, else the first, the last and random ones between.
      std::size_t at = sample;
      if (checked < gradient.size() && sample + 1 == checked) at = gradient.size() - 1;
      if (checked < gradient.size() && sample > 0 && sample + 1 < checked) {
        at = draw_below(key, 1, sample, static_cast<std::uint32_t>(gradient.size()));
      }
      double* element = moved[i].value().data<double>() + at;
      const double value = *element;
      *element = value + kStep;
      const double above = loss_value(backend, op_case, moved, rest);
      *element = value - kStep;
      const double below = loss_value(backend, op_case, moved, rest);
      *element = value;
      const double expected = (above - below) / (2 * kStep);
      if (!(std::abs(expected - gradient[at]) <= kTolerance * largest[i])) {
        return text("input ", i, "[", at, "]: gradient ", gradient[at], ", central difference ", expected);
      }
    }
  }
  double sides[2];
  for (int side = 0; side < 2; ++side) {
    for (std::size_t i = 0; i < rest.size(); ++i) {
      for (std::size_t k = 0; k < directions[i].size(); ++k) {
        moved[i].value().data<double>()[k] =
            rest[i].value().data<double>()[k] + (side ? kStep : -kStep) * directions[i][k];
      }
    }
    sides[side] = loss_value(backend, op_case, moved, rest);
  }
  const double expected = (sides[1] - sides[0]) / (2 * kStep);
  if (!(std::abs(expected - along_gradient) <= kTolerance * std::max(scale, 1e-2))) {
    return text("along a random direction: gradient ", along_gradient, ", central difference ", expected);
  }
  return "";
}

}  // namespace duet::testing

#include "tests/engine/autograd_net.h"

#include <algorithm>
#include <cmath>

#include "engine/ops/conv.h"
#include "engine/ops/loss.h"
#include "engine/ops/norm.h"
#include "engine/ops/pointwise.h"
#include "engine/ops/region.h"
#include "tests/support/op_case.h"

namespace duet::testing {
namespace {

constexpr Index kClasses = 3;
constexpr std::size_t kBiasBeforeNorm = 1;  // its true gradient is 0

Tensor drawn(Backend& backend, DType dtype, const Shape& shape, std::uint32_t layer, double deviation) {
  PhiloxKey key;
  key.network = 3;
  key.layer = layer;
  std::vector<double> values(static_cast<std::size_t>(shape.elements()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<double>(static_cast<float>(deviation * draw_normal(key, 0, i)));
  }
  return from_values(backend.memory, shape, dtype, values);
}

}  // namespace

Tensor net_input(Backend& backend, DType dtype, const Shape& shape, std::uint32_t which) {
  return drawn(backend, dtype, shape, 100 + which, 1.0);
}

Net make_net(Backend& backend, DType dtype, Index width) {
  struct Part {
    const char* name;
    Shape shape;
  };
  const Part parts[] = {{"enter.weight", {width, 3, 3, 3, 2}},
                        {"enter.bias", Shape::vector(width)},
                        {"norm.weight", Shape::vector(width)},
                        {"norm.bias", Shape::vector(width)},
                        {"down.weight", {2 * width, 2, 2, 2, width}},
                        {"down.bias", Shape::vector(2 * width)},
                        {"prelu.weight", Shape::vector(2 * width)},
                        {"up.weight", {2 * width, 2, 2, 2, width}},
                        {"up.bias", Shape::vector(width)},
                        {"first.weight", {kClasses, 1, 1, 1, 2 * width}},
                        {"first.bias", Shape::vector(kClasses)},
                        {"second.weight", {kClasses, 1, 1, 1, 2 * width}},
                        {"second.bias", Shape::vector(kClasses)}};
  Net net;
  for (const Part& part : parts) {
    const Index inputs = part.shape.elements() / std::max<Index>(part.shape.n, 1);
    const double deviation = part.shape.n > 1 ? std::sqrt(2.0 / static_cast<double>(inputs)) : 0.5;
    const auto layer = static_cast<std::uint32_t>(net.parameters.size());
    net.parameters.push_back(make_parameter(part.name, drawn(backend, dtype, part.shape, layer, deviation)));
  }
  return net;
}

Heads run_net(Backend& b, const Net& net, const Var& x) {
  auto p = [&](std::size_t i) { return Var::parameter(net.parameters[i]); };
  const Conv3dSpec same{}, half{{2, 2, 2}, {2, 2, 2}, {0, 0, 0}}, point{{1, 1, 1}, {1, 1, 1}, {0, 0, 0}};
  const Var entered = conv3d(b, same, x, p(0), p(1));
  const Var top = relu(b, norm(b, {NormKind::instance}, NormMode::batch, entered, p(2), p(3)));
  const Var bottom = prelu(b, conv3d(b, half, top, p(4), p(5)), p(6));
  const Var up = conv_transpose3d(b, half, bottom, p(7), p(8));
  const Var joined = concat(b, Axis::c, std::vector<Var>{top, up});
  return {conv3d(b, point, joined, p(9), p(10)), conv3d(b, point, joined, p(11), p(12))};
}

std::vector<Var> net_losses(Backend& b, const Heads& heads) {
  const Shape& shape = heads.first.shape();
  const DType dtype = heads.first.dtype();
  const OpCase targets{"targets",
                       "",
                       {{shape.with_channels(1), Role::constant, Values::classes, kClasses},
                        {shape, Role::constant, Values::distribution},
                        {shape.with_channels(1), Role::constant, Values::weights}},
                       nullptr};
  const Operands in = make_leaves(b, targets, dtype, [](std::size_t) { return false; }).operands;
  const Var first = softmax(b, heads.first), second = softmax(b, heads.second);
  return {cross_entropy(b, heads.first, in[0].value(), unweighted(b, shape, dtype)),
          dice_loss(b, {}, first, in[0].value(), in[2].value()),
          cross_entropy(b, heads.second, in[1].value(), normalised_by_sum(b, in[2].value())),
          squared_error(b, first, second, unweighted(b, shape, dtype))};
}

void clear_gradients(const Net& net) {
  for (const ParameterPtr& parameter : net.parameters) parameter->clear_gradient();
}

std::vector<std::vector<double>> gradients_of(const Net& net) {
  std::vector<std::vector<double>> all;
  for (const ParameterPtr& parameter : net.parameters) {
    const bool has = parameter->has_gradient;
    all.push_back(has ? to_values(parameter->gradient)
                      : std::vector<double>(static_cast<std::size_t>(parameter->value.elements()), 0.0));
  }
  return all;
}

void add_to(std::vector<std::vector<double>>& sum, const std::vector<std::vector<double>>& more) {
  if (sum.empty()) {
    sum = more;
    return;
  }
  for (std::size_t i = 0; i < sum.size(); ++i) {
    for (std::size_t k = 0; k < sum[i].size(); ++k) sum[i][k] += more[i][k];
  }
}

double worst_difference(const std::vector<std::vector<double>>& a,
                        const std::vector<std::vector<double>>& b) {
  double largest = 0.0, worst = 0.0;
  for (const auto& gradient : b) {
    for (const double x : gradient) largest = std::max(largest, std::abs(x));
  }
  for (std::size_t i = 0; i < a.size(); ++i) {
    // The bias before the norm: rounding is all that its gradient is.
    worst = std::max(worst,
                     relative_difference(a[i], b[i], i == kBiasBeforeNorm ? 0.1 * largest : 1e-6 * largest));
  }
  return worst;
}

}  // namespace duet::testing

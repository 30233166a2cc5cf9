// Cases of engine/ops/loss.h. Targets and weights are constants; normalisation is by voxels, by the sum of
// the weights, or by another count of voxels.
#include "engine/ops/loss.h"
#include "engine/ops/pointwise.h"
#include "tests/engine/ops_cases.h"

namespace duet::testing {
namespace {

enum class By { voxels, weights, counted };
const char* name_of(By by) {
  return by == By::voxels ? "by voxels" : by == By::weights ? "by weights" : "by counted voxels";
}

// The operands at `at` are the weights and, for By::counted, what is counted.
void push_weights(OpCase& op_case, const Shape& x, By by) {
  if (by != By::voxels) op_case.inputs.push_back({x.with_channels(1), Role::constant, Values::weights});
  if (by == By::counted) op_case.inputs.push_back({x.with_channels(1), Role::constant, Values::positive});
}
LossWeights weights_of(Backend& backend, const Operands& in, std::size_t at, By by) {
  if (by == By::voxels) return unweighted(backend, in[0].shape(), in[0].dtype());
  if (by == By::weights) return normalised_by_sum(backend, in[at].value());
  return normalised_by(backend, in[at].value(), in[at + 1].value());
}

OpInput target_of(const Shape& x, bool soft, Values values = Values::distribution) {
  if (soft) return {x, Role::constant, values};
  return {x.with_channels(1), Role::constant, Values::classes, x.c};
}

OpCase entropy(const Shape& x, bool soft, By by, Values values = Values::distribution) {
  OpCase result{soft ? "cross_entropy soft" : "cross_entropy",
                text(x, " ", name_of(by), " ", static_cast<int>(values)),
                {{x}, target_of(x, soft, values)},
                [by](Backend& b, const Operands& in) {
                  return cross_entropy(b, in[0], in[1].value(), weights_of(b, in, 2, by));
                }};
  push_weights(result, x, by);
  return result;
}

OpCase dice(const Shape& x, bool soft, bool background, bool weighted) {
  DiceSpec spec;
  spec.background = background;
  OpCase result{soft ? "dice soft" : "dice",
                text(x, background ? " background" : "", weighted ? " weights" : ""),
                {{x, Role::data, Values::distribution}, target_of(x, soft)},
                [spec, weighted](Backend& b, const Operands& in) {
                  return dice_loss(b, spec, in[0], in[1].value(), weighted ? in[2].value() : Tensor{});
                }};
  if (weighted) result.inputs.push_back({x.with_channels(1), Role::constant, Values::weights});
  return result;
}

OpCase squared(const Shape& x, By by) {
  OpCase result{"squared_error", text(x, " ", name_of(by)), {{x}, {x}}, [by](Backend& b, const Operands& in) {
                  return squared_error(b, in[0], in[1], weights_of(b, in, 2, by));
                }};
  push_weights(result, x, by);
  return result;
}

void add_reductions(std::vector<OpCase>& cases, const Shape& x, const Reduction& axes) {
  const std::string name = text(x, axes.n ? " n" : "", axes.space ? " space" : "", axes.c ? " c" : "");
  cases.push_back({"reduce_sum", name, {{x}}, [axes](Backend& b, const Operands& in) {
                     return reduce_sum(b, axes, in[0]);
                   }});
  cases.push_back({"reduce_mean", name, {{x}}, [axes](Backend& b, const Operands& in) {
                     return reduce_mean(b, axes, in[0]);
                   }});
}

}  // namespace

std::vector<OpCase> loss_cases() {
  std::vector<OpCase> cases;
  for (const Shape& x : common_shapes()) {
    cases.push_back(
        {"softmax", text(x), {{x}}, [](Backend& b, const Operands& in) { return softmax(b, in[0]); }});
    cases.push_back({"log_softmax", text(x), {{x}}, [](Backend& b, const Operands& in) {
                       return log_softmax(b, in[0]);
                     }});
  }
  // Large logits do not overflow.
  for (const double factor : {50.0, -200.0}) {
    auto far = [factor](Backend& b, const Operands& in) { return log_softmax(b, scale(b, in[0], factor)); };
    cases.push_back({"log_softmax", text("logits times ", factor), {{Shape{2, 2, 3, 1, 4}}}, far});
  }
  const std::vector<Shape> shapes = {{1, 1, 1, 1, 2},  {2, 3, 5, 4, 3}, {1, 1, 7, 5, 2}, {3, 2, 1, 3, 4},
                                     {1, 5, 3, 1, 17}, {2, 4, 4, 4, 8}, {5, 1, 1, 2, 4}, {1, 2, 3, 9, 5}};
  std::size_t turn = 0;
  for (const Shape& x : shapes) {
    const By by = static_cast<By>(turn++ % 3);
    for (const bool soft : {false, true}) {
      cases.push_back(entropy(x, soft, by));
      cases.push_back(dice(x, soft, turn % 2 == 0, turn % 4 >= 2));
    }
    cases.push_back(squared(x, by));
  }
  for (const By by : {By::voxels, By::weights, By::counted}) {
    cases.push_back(entropy({2, 2, 3, 4, 3}, false, by));
    cases.push_back(entropy({2, 2, 3, 4, 3}, true, by));
    cases.push_back(entropy({2, 2, 3, 4, 3}, true, by, Values::positive));  // targets that do not sum to 1
    cases.push_back(squared({2, 2, 3, 4, 1}, by));
  }
  for (const bool background : {false, true}) {
    for (const bool weighted : {false, true}) {
      cases.push_back(dice({2, 2, 3, 4, 3}, false, background, weighted));
      cases.push_back(dice({2, 2, 3, 4, 3}, true, background, weighted));
    }
  }
  cases.push_back(dice({2, 1, 3, 4, 1}, true, true, true));  // one class
  for (int axes = 0; axes < 8; ++axes) {
    add_reductions(cases, {3, 2, 5, 4, 7}, {(axes & 1) != 0, (axes & 2) != 0, (axes & 4) != 0});
    add_reductions(cases, common_shapes()[static_cast<std::size_t>(axes)],
                   {(axes & 2) == 0, (axes & 4) == 0, (axes & 1) == 0});
  }
  return cases;
}

}  // namespace duet::testing

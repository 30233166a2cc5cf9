// Cases of what does several things in one pass: norm with activation and skip, the 1x1x1 convolution with
// dropout of channels, cross-entropy with Dice; and of convert, which stands where types change.
#include "engine/ops/conv.h"
#include "engine/ops/loss.h"
#include "engine/ops/norm.h"
#include "engine/ops/pointwise.h"
#include "tests/engine/ops_cases.h"

namespace duet::testing {
namespace {

// Sizes with each number of channels that the loops of the CPU room treat in another way, with so many voxels
// that a lane's float sums are flushed more than once, most with a rest after the last whole row.
const std::vector<Shape> kNormShapes = {
    {1, 9, 31, 30, 1}, {1, 13, 13, 13, 3}, {1, 11, 10, 10, 8}, {2, 9, 8, 9, 12},
    {1, 9, 9, 9, 16},  {2, 7, 7, 7, 24},   {1, 5, 7, 9, 48},   {1, 8, 9, 10, 64},
    {1, 5, 7, 10, 96}, {1, 5, 7, 9, 128},  {2, 4, 5, 3, 5},  // no such row: the reference's loops
    {1, 3, 5, 7, 17}};

OpCase tailed(const char* op, const NormSpec& spec, NormMode mode, const Shape& x, double slope, bool skip) {
  OpCase result{op,
                text(x, " slope ", slope, " folds ", spec.folds, skip ? " skip" : ""),
                {{x, Role::data, Values::apart},
                 {Shape::vector(x.c), Role::parameter, Values::positive},
                 {Shape::vector(x.c), Role::parameter, Values::small}},
                nullptr};
  result.tolerance = 3e-5;
  if (skip) result.inputs.push_back({x});
  if (mode == NormMode::running) {
    result.inputs.push_back({Shape::vector(x.c), Role::constant, Values::small});
    result.inputs.push_back({Shape::vector(x.c), Role::constant, Values::positive});
  }
  result.run = [=](Backend& backend, const Operands& in) {
    RunningStatistics running;
    if (mode == NormMode::running) running = {in[in.size() - 2].value(), in[in.size() - 1].value()};
    const NormTail tail{slope, skip ? in[3] : Var{}};
    return norm(backend, spec, mode, in[0], in[1], in[2], &running, tail);
  };
  return result;
}

void add_norms(std::vector<OpCase>& cases) {
  constexpr double kSlopes[] = {0.0, 0.01, 1.0};
  std::size_t turn = 0;
  for (const Shape& x : kNormShapes) {
    const Index groups = x.c % 4 == 0 ? 4 : x.c % 3 == 0 ? 3 : 1;
    for (const bool skip : {true, false}) {
      const auto slope = [&] { return kSlopes[turn++ % 3]; };
      const NormSpec batch{NormKind::batch, 1e-5, 1, x.n}, instance{NormKind::instance};
      cases.push_back(tailed("batch_norm tail", batch, NormMode::batch_no_update, x, slope(), skip));
      cases.push_back(tailed("instance_norm tail", instance, NormMode::batch, x, slope(), skip));
      cases.push_back(
          tailed("group_norm tail", {NormKind::group, 1e-5, groups}, NormMode::batch, x, slope(), skip));
      cases.push_back(
          tailed("batch_norm running tail", {NormKind::batch}, NormMode::running, x, slope(), skip));
      ++turn;  // so that each kind meets each slope
    }
  }
  for (const double slope : kSlopes) {  // statistics of two samples together, of two folds of two
    cases.push_back(tailed("batch_norm tail", {NormKind::batch}, NormMode::batch_no_update, {2, 5, 7, 3, 8},
                           slope, true));
    cases.push_back(tailed("batch_norm tail", {NormKind::batch, 1e-5, 1, 2}, NormMode::batch_no_update,
                           {4, 5, 7, 3, 8}, slope, true));
  }
  OpCase both =
      tailed("instance_norm tail", {NormKind::instance}, NormMode::batch, {2, 5, 4, 3, 8}, 0.0, false);
  both.name += " onto its own input";
  both.run = [](Backend& backend, const Operands& in) {
    return norm(backend, {NormKind::instance}, NormMode::batch, in[0], in[1], in[2], nullptr, {0.0, in[0]});
  };
  cases.push_back(both);
}

DropoutSpec dropped(Index batch) {
  DropoutSpec spec;
  spec.key = {0x1234567890ull, Stream::dropout, 1, 7, 42, 3};
  spec.p = 0.4;
  spec.batch = batch;
  return spec;
}

void add_heads(std::vector<OpCase>& cases, Shape x, Index to, bool bias) {
  for (const bool drops : {false, true}) {
    const DropoutSpec spec = dropped(x.n % 2 == 0 ? x.n / 2 : x.n);  // two passes where that goes
    OpCase head{drops ? "dropout_conv3d" : "pointwise_conv",
                text(x, " to ", to, bias ? " bias" : ""),
                {{x}, {{to, 1, 1, 1, x.c}, Role::parameter}},
                [=](Backend& backend, const Operands& in) {
                  return pointwise_conv(backend, in[0], in[1], bias ? in[2] : Var{}, in[1].dtype(),
                                        drops ? &spec : nullptr);
                }};
    if (bias) head.inputs.push_back({Shape::vector(to), Role::parameter});
    cases.push_back(head);
  }
}

enum class By { voxels, weights, counted };

OpCase segmentation(const Shape& x, bool background, By by) {
  DiceSpec spec;
  spec.background = background;
  const char* names[] = {"by voxels", "by weights", "by counted voxels"};
  OpCase result{"segmentation_loss",
                text(x, background ? " background " : " ", names[static_cast<int>(by)]),
                {{x}, {x.with_channels(1), Role::constant, Values::classes, x.c}},
                [=](Backend& b, const Operands& in) {
                  LossWeights weights = by == By::voxels    ? unweighted(b, x, in[0].dtype())
                                        : by == By::weights ? normalised_by_sum(b, in[2].value())
                                                            : normalised_by(b, in[2].value(), in[3].value());
                  return segmentation_loss(b, spec, in[0], in[1].value(), weights);
                }};
  if (by != By::voxels) result.inputs.push_back({x.with_channels(1), Role::constant, Values::weights});
  if (by == By::counted) result.inputs.push_back({x.with_channels(1), Role::constant, Values::positive});
  return result;
}

}  // namespace

std::vector<OpCase> fused_cases() {
  std::vector<OpCase> cases;
  add_norms(cases);
  Index n = 0;
  for (const Index from : {4, 8, 16, 17, 32}) {
    for (const Index to : {1, 2, 3, 9}) {
      n = n % 4 + 1;
      add_heads(cases, {n, 3, 5, 4, from}, to, n % 2 == 0);
    }
  }
  add_heads(cases, {2, 13, 13, 13, 8}, 2, true);  // more rows than a task
  for (const Index classes : {2, 3, 5}) {
    for (const bool background : {true, false}) {
      for (const By by : {By::voxels, By::weights, By::counted}) {
        const Index size = 1 + static_cast<Index>(by) + (background ? 3 : 0);
        cases.push_back(segmentation({1 + size % 2, size, 4, 5, classes}, background, by));
      }
    }
  }
  cases.push_back(segmentation({1, 1, 1, 1, 2}, false, By::voxels));
  cases.push_back(segmentation({2, 13, 17, 19, 2}, true, By::weights));  // more than one chunk
  for (const Shape& x : common_shapes()) {
    cases.push_back({"convert", text(x), {{x}}, [](Backend& b, const Operands& in) {
                       return multiply(b, in[0], convert(b, convert(b, in[0], DType::f64), in[0].dtype()));
                     }});
  }
  return cases;
}

}  // namespace duet::testing

// Cases of engine/ops/norm.h. Values are separated, as statistics of two close values are steep.
#include "engine/ops/norm.h"
#include "tests/engine/ops_cases.h"

namespace duet::testing {
namespace {

constexpr bool kAffine = true, kPlain = false;

OpCase normed(const char* op, NormMode mode, const NormSpec& spec, const Shape& x, bool affine) {
  OpCase result{op,
                text(x, " folds ", spec.folds, " groups ", spec.groups, affine ? " affine" : ""),
                {{x, Role::data, Values::separated}},
                nullptr};
  const Shape channels = Shape::vector(x.c);
  if (affine) {
    result.inputs.push_back({channels, Role::parameter});
    result.inputs.push_back({channels, Role::parameter});
  }
  if (mode == NormMode::running) {
    result.inputs.push_back({channels, Role::constant});
    result.inputs.push_back({channels, Role::constant, Values::positive});
  }
  result.tolerance = 3e-5;  // differences of few values, divided by their deviation
  result.run = [spec, mode, affine](Backend& backend, const Operands& in) {
    RunningStatistics running;
    if (mode == NormMode::running) {
      running.mean = in[in.size() - 2].value();
      running.var = in[in.size() - 1].value();
    } else {
      const DType type = master_type(in[0].dtype());
      running.mean = backend.filled(Shape::vector(in[0].shape().c), type, 0.0);
      running.var = backend.filled(Shape::vector(in[0].shape().c), type, 1.0);
    }
    return norm(backend, spec, mode, in[0], affine ? in[1] : Var{}, affine ? in[2] : Var{}, &running);
  };
  return result;
}

}  // namespace

std::vector<OpCase> norm_cases() {
  const NormSpec batch{NormKind::batch}, instance{NormKind::instance};
  const NormSpec two{NormKind::batch, 1e-5, 1, 2}, three{NormKind::batch, 1e-5, 1, 3};
  auto group = [](Index groups) { return NormSpec{NormKind::group, 1e-5, groups}; };
  std::vector<OpCase> cases;
  for (const char* op : {"batch_norm", "batch_norm without update"}) {
    const NormMode mode = op == std::string("batch_norm") ? NormMode::batch : NormMode::batch_no_update;
    cases.push_back(normed(op, mode, batch, {2, 3, 5, 4, 3}, kAffine));
    cases.push_back(normed(op, mode, batch, {2, 3, 5, 4, 3}, kPlain));
    cases.push_back(normed(op, mode, batch, {1, 1, 7, 5, 2}, kAffine));
    cases.push_back(normed(op, mode, batch, {3, 1, 1, 1, 4}, kAffine));
    cases.push_back(normed(op, mode, batch, {1, 5, 3, 1, 17}, kAffine));
    cases.push_back(normed(op, mode, batch, {2, 4, 4, 4, 8}, kPlain));
    cases.push_back(normed(op, mode, two, {4, 2, 3, 2, 3}, kAffine));
    cases.push_back(normed(op, mode, three, {6, 1, 3, 1, 5}, kAffine));
    cases.push_back(normed(op, mode, three, {3, 2, 2, 3, 1}, kPlain));
  }
  for (const Shape& x : common_shapes()) {
    cases.push_back(normed("batch_norm running", NormMode::running, batch, x, x.c % 2 == 1));
  }
  for (const Shape& x : std::vector<Shape>{{2, 3, 5, 4, 3},
                                           {1, 1, 7, 5, 2},
                                           {3, 2, 1, 3, 1},
                                           {1, 5, 3, 1, 17},
                                           {2, 4, 4, 4, 8},
                                           {4, 3, 1, 1, 2},
                                           {1, 2, 3, 9, 5},
                                           {5, 1, 1, 3, 4}}) {
    cases.push_back(normed("instance_norm", NormMode::batch, instance, x, x.c != 8));
  }
  cases.push_back(normed("instance_norm", NormMode::running, instance, {2, 3, 2, 4, 3}, kAffine));
  cases.back().inputs.resize(3);  // its statistics are always the sample's
  cases.back().run = [instance](Backend& backend, const Operands& in) {
    return norm(backend, instance, NormMode::running, in[0], in[1], in[2]);
  };

  cases.push_back(normed("group_norm", NormMode::batch, group(1), {2, 3, 5, 4, 3}, kAffine));
  cases.push_back(normed("group_norm", NormMode::batch, group(3), {2, 3, 5, 4, 3}, kAffine));
  cases.push_back(normed("group_norm", NormMode::batch, group(2), {1, 1, 7, 5, 6}, kPlain));
  cases.push_back(normed("group_norm", NormMode::batch, group(1), {3, 2, 1, 3, 1}, kAffine));
  cases.push_back(normed("group_norm", NormMode::batch, group(17), {1, 5, 3, 1, 17}, kAffine));
  cases.push_back(normed("group_norm", NormMode::batch, group(4), {2, 4, 4, 4, 8}, kAffine));
  cases.push_back(normed("group_norm", NormMode::batch, group(2), {5, 1, 1, 1, 8}, kAffine));  // one voxel
  cases.push_back(normed("group_norm", NormMode::batch, group(8), {2, 2, 3, 2, 16}, kPlain));
  cases.push_back(normed("group_norm", NormMode::batch, group(3), {1, 2, 3, 9, 9}, kAffine));
  return cases;
}

}  // namespace duet::testing

#include "engine/backend/onednn/plans.h"

#include "engine/core/errors.h"
#include "engine/core/parallel.h"

namespace duet::onednn {
namespace {

// Far above the number of convolutions of any training; a flood of shapes (images of ever new sizes) starts
// afresh.
constexpr std::size_t kMostPlans = 4096;
// Below this many channels of dx oneDNN's own data gradient is the faster one (README.md).
constexpr Index kFlipChannels = 16;

bool flip_pays(const Problem& p) { return p.w.c >= kFlipChannels || p.spec.kernel == Triple{1, 1, 1}; }

}  // namespace

bool can_flip(const Problem& p) {
  for (int axis = 0; axis < 3; ++axis) {
    if (p.spec.stride[axis] != 1 || p.spec.padding[axis] >= p.spec.kernel[axis]) return false;
  }
  return true;
}

// dx[i] = sum_k dy[i + pad - k] w[k]: a convolution of dy with w(K - 1 - k) under padding K - 1 - pad.
Problem flipped(const Problem& p) {
  Problem f{p.spec, p.y, p.w, p.x, p.type};
  std::swap(f.w.n, f.w.c);
  for (int axis = 0; axis < 3; ++axis) f.spec.padding[axis] = p.spec.kernel[axis] - 1 - p.spec.padding[axis];
  return f;
}

Plan make_plan(const dnnl::engine& engine, const PlanRequest& request) {
  const Problem& p = request.problem;
  Plan plan;
  try {
    switch (request.pass) {
      case ConvPass::forward:
        plan.run = build_forward(engine, p, request.bias, request.add);
        plan.adds = request.add;
        plan.pack = build_reorder(engine, plain_weights_desc(p.w), plan.run.weights, false);
        break;
      case ConvPass::data:
        plan.flipped = can_flip(p) && flip_pays(p);
        if (plan.flipped) {
          const Problem f = flipped(p);
          plan.run = build_forward(engine, f, false, request.add);
          plan.adds = request.add;
          plan.pack = build_reorder(engine, plain_weights_desc(f.w), plan.run.weights, false);
        } else {
          plan.run = build_backward_data(engine, p);
          plan.pack = build_reorder(engine, plain_weights_desc(p.w), plan.run.weights, false);
        }
        break;
      case ConvPass::weights:
        plan.run = build_backward_weights(engine, p);
        plan.unpack = build_reorder(engine, plan.run.weights, plain_weights_desc(p.w), false);
        plan.unpack_add = build_reorder(engine, plan.run.weights, plain_weights_desc(p.w), true);
        break;
    }
  } catch (const dnnl::error& failure) {
    throw Error(ExitCode::device, text("conv3d: ", version(), " has no convolution of x ", p.x, " with w ",
                                       p.w, ": ", failure.what()));
  }
  return plan;
}

PlanCache::Key PlanCache::key_of(const PlanRequest& r) {
  Key key{};
  std::size_t at = 0;
  const auto put = [&](auto... values) { ((key[at++] = static_cast<Index>(values)), ...); };
  const auto put_shape = [&](const Shape& s) { put(s.n, s.d, s.h, s.w, s.c); };
  put(r.pass, r.bias, r.add, r.problem.type,
      max_threads());  // primitives divide their work when they are made
  for (const Triple& t : {r.problem.spec.kernel, r.problem.spec.stride, r.problem.spec.padding})
    put(t[0], t[1], t[2]);
  put_shape(r.problem.x);
  put_shape(r.problem.w);
  put_shape(r.problem.y);
  return key;
}

std::shared_ptr<const Plan> PlanCache::find(const dnnl::engine& engine, const PlanRequest& request) {
  const Key key = key_of(request);
  const auto found = plans_.find(key);
  if (found != plans_.end()) {
    ++counters_.hits;
    return found->second;
  }
  ++counters_.misses;
  if (plans_.size() >= kMostPlans) plans_.clear();
  return plans_[key] = std::make_shared<const Plan>(make_plan(engine, request));
}

}  // namespace duet::onednn

#include "engine/ops/norm.h"

#include <algorithm>

#include "engine/autograd/backward.h"
#include "engine/ops/unchanged.h"

namespace duet {
namespace {

const char* name_of(NormKind kind) {
  switch (kind) {
    case NormKind::batch:
      return "batch_norm";
    case NormKind::instance:
      return "instance_norm";
    case NormKind::group:
      return "group_norm";
  }
  return "norm";
}

// How many values one mean is made of.
Index statistics_count(const NormSpec& spec, const Shape& x) {
  switch (spec.kind) {
    case NormKind::batch:
      return x.rows() / spec.folds;
    case NormKind::instance:
      return x.voxels();
    case NormKind::group:
      return x.voxels() * (x.c / spec.groups);
  }
  return 0;
}

// Of an operand: a normalised convolution that is made again itself, from a normalised one that is kept.
constexpr int kMostDepth = 3;

// What forward and backward both read.
struct Kept {
  Saved x;
  Unchanged gamma, beta;
  Tensor mean, var;
  double slope;
  const char* op;
  NormOperands operands(const Tensor& x_value) const {
    return {x_value.cview(), mean.cview(), var.cview(), gamma.view(op), beta.view(op), slope};
  }
};

}  // namespace

Var norm(Backend& backend, NormSpec spec, NormMode mode, const Var& x, const Var& gamma, const Var& beta,
         RunningStatistics* running, const NormTail& tail) {
  const char* op = name_of(spec.kind);
  const Shape channels = Shape::vector(x.shape().c);
  DUET_CHECK(static_cast<bool>(gamma) == static_cast<bool>(beta), op, ": gamma and beta, both or neither");
  DUET_CHECK(!gamma || (gamma.shape() == channels && beta.shape() == channels), op, ": gamma ", gamma.shape(),
             " and beta ", beta.shape(), " should be ", channels);
  DUET_CHECK(!gamma || gamma.dtype() == master_type(x.dtype()), op, ": gamma of ",
             duet::name_of(gamma.dtype()), " beside x of ", duet::name_of(x.dtype()));
  DUET_CHECK(!tail.skip || tail.skip.dtype() == x.dtype(), op, ": skip and input differ in type");
  DUET_CHECK(!tail.skip || tail.skip.shape() == x.shape() ||
                 (!tail.skip.requires_gradient() && tail.skip.shape().with_batch(x.shape().n) == x.shape()),
             op, ": skip ", tail.skip.shape(), " of ", x.shape());
  const bool updates = spec.kind == NormKind::batch && mode == NormMode::batch;
  spec.fixed_statistics = spec.kind == NormKind::batch && mode == NormMode::running;
  if (updates || spec.fixed_statistics) {
    DUET_CHECK(running && running->mean && running->var, op, ": running statistics are missing");
    DUET_CHECK(running->mean.shape() == channels && running->var.shape() == channels, op,
               ": running statistics ", running->mean.shape(), " and ", running->var.shape(), " should be ",
               channels);
  }

  Tensor mean, var;
  if (spec.fixed_statistics) {
    mean = running->mean;
    var = running->var;
    if (!NoGrad::active()) {  // a pass that takes the batch's own may update them before backward
      for (Tensor* each : {&mean, &var}) {
        Tensor copy = backend.empty(channels, each->dtype(), op);
        backend.pointwise->scale(each->cview(), 1.0, copy.view(), Accum::write);
        *each = std::move(copy);
      }
    }
  } else {
    const Shape shape = norm_statistics_shape(spec, x.shape());
    const Index count = statistics_count(spec, x.shape());
    DUET_CHECK(count > 1, op, ": input ", x.shape(), " leaves one value to take statistics from");
    mean = backend.empty(shape, master_type(x.dtype()), op);
    var = backend.empty(shape, master_type(x.dtype()), op);
    backend.norm->norm_statistics(spec, x.view(), mean.view(), var.view());
    if (updates) {
      backend.norm->norm_update_running(mean.cview(), var.cview(), count, running->momentum,
                                        running->mean.view(), running->var.view());
    }
  }
  // A value made from one that is made from one, and so on, would take a chain of passes: then the operand is
  // kept.
  const auto depth_of = [](const Var& var) { return var.recipe() ? var.recipe()->depth : 0; };
  const auto saved = [&](const Var& var) {
    return depth_of(var) > kMostDepth ? Saved(var.saved().get(), nullptr) : var.saved();
  };
  const Kept kept{saved(x), Unchanged(gamma), Unchanged(beta), mean, var, tail.slope, op};
  // Over the skip's memory where that is nobody else's, else over `spare`.
  auto forward = [&backend, spec, op, kept, shape = x.shape(), dtype = x.dtype()](
                     const Tensor& x_value, const Tensor& skip, const Tensor& spare = {}) {
    const Tensor over = skip && skip.unique() && skip.shape() == shape ? skip : spare;
    Tensor y = over ? over : backend.empty(shape, dtype, op);
    backend.norm->norm_forward(spec, kept.operands(x_value), skip.cview(), y.view());
    return y;
  };
  // x is held by the caller's Var and, where kept, by the recipe below: then nothing is recorded.
  const bool spare = tail.over_input && NoGrad::active();
  Var y = record(op, forward(x.value(), tail.skip.saved().take(), spare ? x.value() : Tensor()),
                 {x, gamma, beta, tail.skip},
                 [&backend, spec, op, kept](const Tensor& dy, NodeGradients& gradients) {
                   const Tensor x_value = kept.x.get();
                   const NormOperands operands = kept.operands(x_value);
                   const Shape& shape = x_value.shape();
                   const DType master = master_type(x_value.dtype());
                   Tensor sums = backend.empty({shape.n, 1, 1, 2, shape.c}, master, op);
                   backend.norm->norm_backward_sums(spec, operands, dy.cview(), sums.view());
                   gradients.into_segments(1, shape.n, [&](View dgamma, Accum accum, Index begin, Index end) {
                     backend.norm->norm_backward_parameters(sums.cview().samples(begin, end), dgamma, accum,
                                                            {}, Accum::write);
                   });
                   gradients.into_segments(2, shape.n, [&](View dbeta, Accum accum, Index begin, Index end) {
                     backend.norm->norm_backward_parameters(sums.cview().samples(begin, end), {},
                                                            Accum::write, dbeta, accum);
                   });
                   gradients.pass_on(3);
                   gradients.into_or_over(0, [&](View dx, Accum accum) {
                     backend.norm->norm_backward_data(spec, operands, dy.cview(), sums.cview(), dx, accum);
                   });
                 });
  if (!y.requires_gradient()) return y;
  const auto kept_depth = [&](const Var& var) { return depth_of(var) > kMostDepth ? 0 : depth_of(var); };
  return y.with_recipe(
      [forward, kept, skip = saved(tail.skip)] { return forward(kept.x.get(), skip.take()); },
      1 + std::max(kept_depth(x), kept_depth(tail.skip)));
}

}  // namespace duet

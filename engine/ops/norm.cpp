#include "engine/ops/norm.h"

#include "engine/autograd/backward.h"

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

}  // namespace

Var norm(Backend& backend, NormSpec spec, NormMode mode, const Var& x, const Var& gamma, const Var& beta,
         RunningStatistics* running) {
  const char* op = name_of(spec.kind);
  const Shape channels = Shape::vector(x.shape().c);
  DUET_CHECK(static_cast<bool>(gamma) == static_cast<bool>(beta), op, ": gamma and beta, both or neither");
  DUET_CHECK(!gamma || (gamma.shape() == channels && beta.shape() == channels), op, ": gamma ", gamma.shape(),
             " and beta ", beta.shape(), " should be ", channels);
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
  } else {
    const Shape shape = norm_statistics_shape(spec, x.shape());
    const Index count = statistics_count(spec, x.shape());
    DUET_CHECK(count > 1, op, ": input ", x.shape(), " leaves one value to take statistics from");
    mean = backend.empty(shape, x.dtype(), op);
    var = backend.empty(shape, x.dtype(), op);
    backend.norm->norm_statistics(spec, x.view(), mean.view(), var.view());
    if (updates) {
      backend.norm->norm_update_running(mean.cview(), var.cview(), count, running->momentum,
                                        running->mean.view(), running->var.view());
    }
  }
  Tensor y = backend.empty(x.shape(), x.dtype(), op);
  backend.norm->norm_forward(spec, x.view(), mean.cview(), var.cview(), gamma.view(), beta.view(), y.view());

  return record(op, y, {x, gamma, beta},
                [&backend, spec, op, x = x.detach(), gamma = gamma.detach(), mean, var](
                    const Tensor& dy, NodeGradients& gradients) {
                  const Shape& shape = x.shape();
                  Tensor sums = backend.empty({shape.n, 1, 1, 2, shape.c}, x.dtype(), op);
                  backend.norm->norm_backward_sums(spec, x.view(), dy.cview(), mean.cview(), var.cview(),
                                                   sums.view());
                  // gamma and beta are written by one kernel; a temporary stands in for one that wants no
                  // gradient.
                  Tensor unused;
                  auto spare = [&] {
                    if (!unused) unused = backend.empty(Shape::vector(shape.c), x.dtype(), op);
                    return unused.view();
                  };
                  gradients.into_segments(1, shape.n, [&](View dgamma, Accum accum, Index begin, Index end) {
                    backend.norm->norm_backward_parameters(sums.cview().samples(begin, end), dgamma, accum,
                                                           spare(), Accum::write);
                  });
                  gradients.into_segments(2, shape.n, [&](View dbeta, Accum accum, Index begin, Index end) {
                    backend.norm->norm_backward_parameters(sums.cview().samples(begin, end), spare(),
                                                           Accum::write, dbeta, accum);
                  });
                  gradients.into(0, [&](View dx, Accum accum) {
                    backend.norm->norm_backward_data(spec, x.view(), dy.cview(), mean.cview(), var.cview(),
                                                     gamma.view(), sums.cview(), dx, accum);
                  });
                });
}

}  // namespace duet

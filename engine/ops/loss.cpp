#include "engine/ops/loss.h"

#include "engine/autograd/backward.h"

namespace duet {
namespace {

void check_target(const char* op, const Var& logits, const Tensor& target) {
  DUET_CHECK(target, op, ": the target is missing");
  const bool index = target.dtype() == DType::u8;
  const Shape expected = index ? logits.shape().with_channels(1) : logits.shape();
  DUET_CHECK(target.shape() == expected && (index || target.dtype() == logits.dtype()), op, ": target ",
             target.shape(), " ", name_of(target.dtype()), " should be ", expected,
             " u8 or of the logits' type");
}

void check_weights(const char* op, const Shape& x, DType dtype, const Tensor& weights) {
  DUET_CHECK(!weights || (weights.shape() == x.with_channels(1) && weights.dtype() == dtype), op,
             ": weights ", weights.shape(), " should be ", x.with_channels(1), " ", name_of(dtype));
}

void check_denominator(const char* op, const Tensor& denominator, DType dtype) {
  DUET_CHECK(denominator && denominator.elements() == 1 && denominator.dtype() == dtype, op,
             ": the denominator should be a scalar ", name_of(dtype));
}

Tensor total(Backend& backend, const Tensor& x) {
  Tensor sum = backend.empty(Shape::scalar(), x.dtype(), "reduce_sum");
  backend.loss->reduce_sum({}, x.cview(), 1.0, sum.view(), Accum::write);
  return sum;
}

Var reduce(Backend& backend, const char* op, const Reduction& axes, const Var& x, double factor) {
  Tensor y = backend.empty(reduced_shape(axes, x.shape()), x.dtype(), op);
  backend.loss->reduce_sum(axes, x.view(), factor, y.view(), Accum::write);
  return record(op, y, {x}, [&backend, axes, factor](const Tensor& dy, NodeGradients& gradients) {
    gradients.into(
        0, [&](View dx, Accum accum) { backend.loss->broadcast(axes, dy.cview(), factor, dx, accum); });
  });
}

}  // namespace

Var softmax(Backend& backend, const Var& x) {
  Tensor y = backend.empty(x.shape(), x.dtype(), "softmax");
  backend.loss->softmax_forward(x.view(), y.view());
  return record("softmax", y, {x}, [&backend, y](const Tensor& dy, NodeGradients& gradients) {
    gradients.into(
        0, [&](View dx, Accum accum) { backend.loss->softmax_backward(y.cview(), dy.cview(), dx, accum); });
  });
}

Var log_softmax(Backend& backend, const Var& x) {
  Tensor y = backend.empty(x.shape(), x.dtype(), "log_softmax");
  backend.loss->log_softmax_forward(x.view(), y.view());
  return record("log_softmax", y, {x}, [&backend, y](const Tensor& dy, NodeGradients& gradients) {
    gradients.into(0, [&](View dx, Accum accum) {
      backend.loss->log_softmax_backward(y.cview(), dy.cview(), dx, accum);
    });
  });
}

LossWeights normalised_by_sum(Backend& backend, Tensor weights) {
  Tensor sum = total(backend, weights);
  return {std::move(weights), std::move(sum)};
}

LossWeights normalised_by(Backend& backend, Tensor weights, const Tensor& counted) {
  return {std::move(weights), total(backend, counted)};
}

LossWeights unweighted(Backend& backend, const Shape& logits, DType dtype) {
  return {{}, backend.filled(Shape::scalar(), dtype, static_cast<double>(logits.rows()), "loss")};
}

Var cross_entropy(Backend& backend, const Var& logits, const Tensor& target, const LossWeights& weights) {
  check_target("cross_entropy", logits, target);
  check_weights("cross_entropy", logits.shape(), logits.dtype(), weights.weights);
  check_denominator("cross_entropy", weights.denominator, logits.dtype());
  Tensor loss = backend.empty(Shape::scalar(), logits.dtype(), "cross_entropy");
  backend.loss->cross_entropy_forward(logits.view(), {target.cview()}, weights.weights.cview(),
                                      weights.denominator.cview(), loss.view());
  return record(
      "cross_entropy", loss, {logits},
      [&backend, logits = logits.detach(), target, weights](const Tensor& dloss, NodeGradients& gradients) {
        gradients.into(0, [&](View dlogits, Accum accum) {
          backend.loss->cross_entropy_backward(logits.view(), {target.cview()}, weights.weights.cview(),
                                               weights.denominator.cview(), dloss.cview(), dlogits, accum);
        });
      });
}

Var dice_loss(Backend& backend, const DiceSpec& spec, const Var& probabilities, const Tensor& target,
              const Tensor& weights) {
  check_target("dice", probabilities, target);
  check_weights("dice", probabilities.shape(), probabilities.dtype(), weights);
  DUET_CHECK(spec.background || probabilities.shape().c > 1,
             "dice: one class and no background leave nothing");
  Tensor sums = backend.empty({1, 1, 1, 3, probabilities.shape().c}, DType::f64, "dice");
  Tensor loss = backend.empty(Shape::scalar(), probabilities.dtype(), "dice");
  backend.loss->dice_forward(spec, probabilities.view(), {target.cview()}, weights.cview(), sums.view(),
                             loss.view());
  return record("dice", loss, {probabilities},
                [&backend, spec, target, weights, sums](const Tensor& dloss, NodeGradients& gradients) {
                  gradients.into(0, [&](View dp, Accum accum) {
                    backend.loss->dice_backward(spec, {target.cview()}, weights.cview(), sums.cview(),
                                                dloss.cview(), dp, accum);
                  });
                });
}

Var segmentation_loss(Backend& backend, const DiceSpec& spec, const Var& logits, const Tensor& classes,
                      const LossWeights& weights) {
  check_target("segmentation_loss", logits, classes);
  DUET_CHECK(classes.dtype() == DType::u8, "segmentation_loss: classes of ", name_of(classes.dtype()),
             " should be u8");
  check_weights("segmentation_loss", logits.shape(), logits.dtype(), weights.weights);
  check_denominator("segmentation_loss", weights.denominator, logits.dtype());
  DUET_CHECK(spec.background || logits.shape().c > 1,
             "segmentation_loss: one class and no background leave nothing");
  Tensor sums = backend.empty({1, 1, 1, 3, logits.shape().c}, DType::f64, "segmentation_loss");
  Tensor loss = backend.empty(Shape::scalar(), logits.dtype(), "segmentation_loss");
  backend.loss->segmentation_loss_forward(spec, logits.view(), classes.cview(), weights.weights.cview(),
                                          weights.denominator.cview(), sums.view(), loss.view());
  return record("segmentation_loss", loss, {logits},
                [&backend, spec, logits = logits.detach(), classes, weights, sums](const Tensor& dloss,
                                                                                   NodeGradients& gradients) {
                  gradients.into(0, [&](View dlogits, Accum accum) {
                    backend.loss->segmentation_loss_backward(
                        spec, logits.view(), classes.cview(), weights.weights.cview(),
                        weights.denominator.cview(), sums.cview(), dloss.cview(), dlogits, accum);
                  });
                });
}

Var squared_error(Backend& backend, const Var& a, const Var& b, const LossWeights& weights) {
  DUET_CHECK(a.shape() == b.shape() && a.dtype() == b.dtype(), "squared_error: operands ", a.shape(), " and ",
             b.shape(), " differ");
  check_weights("squared_error", a.shape(), a.dtype(), weights.weights);
  check_denominator("squared_error", weights.denominator, a.dtype());
  Tensor loss = backend.empty(Shape::scalar(), a.dtype(), "squared_error");
  backend.loss->squared_error_forward(a.view(), b.view(), weights.weights.cview(),
                                      weights.denominator.cview(), loss.view());
  return record(
      "squared_error", loss, {a, b},
      [&backend, a = a.detach(), b = b.detach(), weights](const Tensor& dloss, NodeGradients& gradients) {
        auto gradient = [&](std::size_t input, const Var& to, const Var& from) {
          gradients.into(input, [&](View dx, Accum accum) {
            backend.loss->squared_error_backward(to.view(), from.view(), weights.weights.cview(),
                                                 weights.denominator.cview(), dloss.cview(), dx, accum);
          });
        };
        gradient(0, a, b);
        gradient(1, b, a);
      });
}

Var reduce_sum(Backend& backend, const Reduction& axes, const Var& x) {
  return reduce(backend, "reduce_sum", axes, x, 1.0);
}

Var reduce_mean(Backend& backend, const Reduction& axes, const Var& x) {
  const double count = static_cast<double>(x.shape().elements()) /
                       static_cast<double>(reduced_shape(axes, x.shape()).elements());
  return reduce(backend, "reduce_mean", axes, x, 1.0 / count);
}

}  // namespace duet

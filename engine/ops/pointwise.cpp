#include "engine/ops/pointwise.h"

#include "engine/autograd/backward.h"
#include "engine/ops/unchanged.h"

namespace duet {
namespace {

void check_pair(const char* op, const Var& a, const Var& b) {
  DUET_CHECK(a.shape() == b.shape() && a.dtype() == b.dtype(), op, ": operands ", a.shape(), " ",
             duet::name_of(a.dtype()), " and ", b.shape(), " ", duet::name_of(b.dtype()), " differ");
}

Var rectify(Backend& backend, const char* op, const Var& x, double slope) {
  Tensor y = backend.empty(x.shape(), x.dtype(), op);
  backend.pointwise->leaky_relu_forward(x.view(), slope, y.view());
  return record(op, y, {x}, [&backend, y, slope](const Tensor& dy, NodeGradients& gradients) {
    gradients.into_or_over(0, [&](View dx, Accum accum) {
      backend.pointwise->leaky_relu_backward(y.cview(), dy.cview(), slope, dx, accum);
    });
  });
}

}  // namespace

Var add(Backend& backend, const Var& a, const Var& b) {
  check_pair("add", a, b);
  Tensor y = backend.empty(a.shape(), a.dtype(), "add");
  backend.pointwise->add(a.view(), b.view(), y.view());
  return record("add", y, {a, b}, [](const Tensor&, NodeGradients& gradients) {
    for (std::size_t i : {0, 1}) gradients.pass_on(i);
  });
}

Var multiply(Backend& backend, const Var& a, const Var& b) {
  check_pair("multiply", a, b);
  Tensor y = backend.empty(a.shape(), a.dtype(), "multiply");
  backend.pointwise->multiply(a.view(), b.view(), y.view(), Accum::write);
  return record("multiply", y, {a, b},
                [&backend, a = a.saved(), b = b.saved()](const Tensor& dy, NodeGradients& gradients) {
                  gradients.into(0, [&](View da, Accum accum) {
                    backend.pointwise->multiply(dy.cview(), b.get().cview(), da, accum);
                  });
                  gradients.into(1, [&](View db, Accum accum) {
                    backend.pointwise->multiply(dy.cview(), a.get().cview(), db, accum);
                  });
                });
}

Var scale(Backend& backend, const Var& x, double factor) {
  Tensor y = backend.empty(x.shape(), x.dtype(), "scale");
  backend.pointwise->scale(x.view(), factor, y.view(), Accum::write);
  return record("scale", y, {x}, [&backend, factor](const Tensor& dy, NodeGradients& gradients) {
    gradients.into(0, [&](View dx, Accum accum) { backend.pointwise->scale(dy.cview(), factor, dx, accum); });
  });
}

Var leaky_relu(Backend& backend, const Var& x, double slope) {
  DUET_CHECK(slope > 0, "leaky_relu: slope ", slope, " should be above 0");
  return rectify(backend, "leaky_relu", x, slope);
}

Var relu(Backend& backend, const Var& x) { return rectify(backend, "relu", x, 0.0); }

Var prelu(Backend& backend, const Var& x, const Var& slope) {
  DUET_CHECK(slope.shape() == Shape::vector(x.shape().c) || slope.shape() == Shape::scalar(), "prelu: slope ",
             slope.shape(), " should be one value or one a channel of ", x.shape());
  Tensor y = backend.empty(x.shape(), x.dtype(), "prelu");
  backend.pointwise->prelu_forward(x.view(), slope.view(), y.view());
  return record(
      "prelu", y, {x, slope},
      [&backend, saved = x.saved(), slope = Unchanged(slope)](const Tensor& dy, NodeGradients& gradients) {
        const Tensor x = saved.get();
        gradients.into_segments(1, dy.shape().n, [&](View dslope, Accum accum, Index begin, Index end) {
          backend.pointwise->prelu_backward_slope(x.cview().samples(begin, end),
                                                  dy.cview().samples(begin, end), dslope, accum);
        });
        gradients.into_or_over(0, [&](View dx, Accum accum) {
          backend.pointwise->prelu_backward_data(x.cview(), dy.cview(), slope.view("prelu"), dx, accum);
        });
      });
}

Var dropout(Backend& backend, const DropoutSpec& spec, const Var& x) {
  DUET_CHECK(spec.p >= 0.0 && spec.p < 1.0, "dropout: p = ", spec.p, " should be in [0, 1)");
  DUET_CHECK(spec.batch >= 0 && (spec.batch == 0 || x.shape().n % spec.batch == 0), "dropout: ", x.shape().n,
             " samples do not divide into passes of ", spec.batch);
  Tensor y = backend.empty(x.shape(), x.dtype(), "dropout");
  backend.pointwise->dropout(spec, x.view(), y.view(), Accum::write);
  return record("dropout", y, {x}, [&backend, spec](const Tensor& dy, NodeGradients& gradients) {
    gradients.into_or_over(
        0, [&](View dx, Accum accum) { backend.pointwise->dropout(spec, dy.cview(), dx, accum); });
  });
}

Var convert(Backend& backend, const Var& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  Tensor y = backend.empty(x.shape(), dtype, "convert");
  backend.pointwise->convert(x.view(), y.view());
  return record("convert", y, {x}, [&backend](const Tensor& dy, NodeGradients& gradients) {
    gradients.into(0, [&](View dx, Accum accum) {
      if (accum == Accum::write) return backend.pointwise->convert(dy.cview(), dx);
      const Tensor same = backend.empty(dx.shape, dx.dtype, "convert");
      backend.pointwise->convert(dy.cview(), same.view());
      backend.pointwise->scale(same.cview(), 1.0, dx, Accum::add);
    });
  });
}

Var detach(const Var& x) { return x.detach(); }

}  // namespace duet

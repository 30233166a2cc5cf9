// Gradients that are handed on or written over instead of copied (pass_on, into_or_over), in graphs where a
// value has several users: against central differences, and retained graphs passed twice.
#include <cmath>
#include <doctest/doctest.h>

#include "engine/ops/conv.h"
#include "engine/ops/loss.h"
#include "engine/ops/norm.h"
#include "engine/ops/pointwise.h"
#include "engine/ops/region.h"
#include "tests/support/backends.h"
#include "tests/support/op_case.h"

namespace duet::testing {
namespace {

const Shape kX{2, 5, 6, 5, 4};
constexpr Conv3dSpec kPoint{{1, 1, 1}, {1, 1, 1}, {0, 0, 0}};

// leaky_relu(instance_norm(conv(x))) + skip, from parameters in[1], in[2], in[3].
Var unit(Backend& b, const Operands& in, const Var& x, const Var& skip) {
  return norm(b, {NormKind::instance}, NormMode::batch, conv3d(b, kPoint, x, in[1]), in[2], in[3], nullptr,
              {0.1, skip});
}

// What is handed on is the gradient of a recorded value, so all start from h, which is none of the leaves.
OpCase graph(const char* name, const std::function<Var(Backend&, const Operands&, const Var& h)>& run) {
  OpCase result{"graph",
                name,
                {{kX, Role::data, Values::apart},
                 {{kX.c, 1, 1, 1, kX.c}, Role::parameter},
                 {Shape::vector(kX.c), Role::parameter, Values::positive},
                 {Shape::vector(kX.c), Role::parameter, Values::small}},
                nullptr};
  result.tolerance = 1e-4;  // a few norms one after another
  result.run = [run](Backend& b, const Operands& in) {
    // All parameters take part, so that every case has all gradients.
    const Var h = leaky_relu(b, scale(b, in[0], 1.5), 0.3);
    return add(b, run(b, in, h), scale(b, unit(b, in, h, {}), 0.1));
  };
  return result;
}

std::vector<OpCase> graphs() {
  return {
      graph("a value added to itself",
            [](Backend& b, const Operands&, const Var& h) { return add(b, h, h); }),
      graph("a leaf added to itself",
            [](Backend& b, const Operands& in, const Var& h) { return add(b, add(b, in[0], in[0]), h); }),
      graph("a sum of two branches of one value",
            [](Backend& b, const Operands&, const Var& h) {
              return add(b, leaky_relu(b, h, 0.2),
                         prelu(b, h, Var::constant(b.filled(Shape::scalar(), master_type(h.dtype()), 0.3))));
            }),
      graph("both operands of a sum write over their gradient",
            [](Backend& b, const Operands&, const Var& h) {
              const Var left = leaky_relu(b, scale(b, h, 2.0), 0.2),
                        right = leaky_relu(b, scale(b, h, -3.0), 0.4);
              return add(b, left, right);
            }),
      // The sum hands one gradient to both; `early` then adds onto left's, which right must not see.
      graph("one operand of a sum has another user, which runs in between",
            [](Backend& b, const Operands&, const Var& h) {
              const Var left = scale(b, h, 2.0), right = scale(b, h, -3.0), early = multiply(b, left, left);
              return add(b, multiply(b, early, early), add(b, left, right));
            }),
      graph("sums of sums share one gradient between many",
            [](Backend& b, const Operands&, const Var& h) {
              const Var p = scale(b, h, 2.0), q = scale(b, h, 3.0), r = leaky_relu(b, h, 0.5);
              const Var square = multiply(b, q, q);
              return add(b, add(b, add(b, p, q), add(b, q, r)), add(b, square, p));
            }),
      graph("a chain of residuals",
            [](Backend& b, const Operands&, const Var& h) {
              Var y = h;
              for (int i = 0; i < 4; ++i) y = add(b, y, leaky_relu(b, scale(b, y, 0.7), 0.2));
              return y;
            }),
      graph("residuals through norms",
            [](Backend& b, const Operands& in, const Var& h) {
              Var y = h;
              for (int i = 0; i < 3; ++i) y = unit(b, in, y, y);
              return y;
            }),
      graph("a skip of two norms",
            [](Backend& b, const Operands& in, const Var& h) {
              const Var skip = scale(b, h, 0.5), first = unit(b, in, h, skip),
                        second = unit(b, in, first, skip);
              return add(b, first, second);
            }),
      graph("a norm's skip is its input",
            [](Backend& b, const Operands& in, const Var& h) {
              const Var x = conv3d(b, kPoint, h, in[1]);
              return norm(b, {NormKind::instance}, NormMode::batch, x, in[2], in[3], nullptr, {0.1, x});
            }),
      graph("a leaf is a norm's skip",
            [](Backend& b, const Operands& in, const Var& h) { return unit(b, in, h, in[0]); }),
      graph("a made-again value in three places",
            [](Backend& b, const Operands& in, const Var& h) {
              const Var y = unit(b, in, h, {});
              return add(b, multiply(b, y, h), add(b, unit(b, in, y, y), multiply(b, y, y)));
            }),
      graph("parts of a value that is handed on",
            [](Backend& b, const Operands&, const Var& h) {
              const Var s = add(b, h, scale(b, h, 2.0));
              const Var parts[] = {samples(b, s, 1, 2), samples(b, s, 0, 1)};
              return add(b, concat(b, Axis::n, parts), s);
            }),
  };
}

bool all(std::size_t) { return true; }

double cosine(const std::vector<double>& a, const std::vector<double>& b) {
  double ab = 0.0, aa = 0.0, bb = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) ab += a[i] * b[i], aa += a[i] * a[i], bb += b[i] * b[i];
  return ab / std::sqrt(aa * bb);
}

template <class Body>
void for_each_graph(const Body& body) {
  for (const OpCase& each : graphs()) {
    INFO(each.name);
    body(each);
  }
}

}  // namespace

TEST_CASE("shared gradients against central differences") {
  for_each_graph([](const OpCase& each) {
    const std::string wrong = check_gradient(ref_backend(), each, 24);
    CHECK_MESSAGE(wrong.empty(), wrong);
  });
}

TEST_CASE("shared gradients on every backend, in f32 and bf16") {
  for_each_graph([](OpCase each) {
    for (const DType type : {DType::f32, DType::bf16}) {
      each.bf16_data = type == DType::bf16;
      const CaseResult expected = run_case(ref_backend(), each, DType::f64, all);
      for (const std::string& name : tested_backends()) {
        if (type == DType::bf16 && name != "ref" && !backend_of(name).fast_bf16) continue;
        INFO(text(name, ' ', name_of(type)));
        const CaseResult got = run_case(backend_of(name), each, type, all);
        // At a kink bf16 turns a sign here and there, so that single values differ: what counts is the
        // direction.
        const auto close = [&](const Tensor& a, const Tensor& b) {
          const std::vector<double> x = to_values(a), y = to_values(b);
          return type == DType::bf16 ? cosine(x, y) >= 0.99 : relative_difference(x, y) <= each.tolerance;
        };
        CHECK(close(got.output, expected.output));
        for (std::size_t i = 0; i < each.inputs.size(); ++i) {
          INFO("gradient of input ", i);
          CHECK(close(got.gradients[i], expected.gradients[i]));
        }
      }
    }
  });
}

TEST_CASE("a retained graph gives the same bytes again, and a pass never writes over what it was given") {
  for_each_graph([](const OpCase& each) {
    Backend& b = ref_backend();
    const CaseResult once = run_case(b, each, DType::f64, all);
    const Leaves leaves = make_leaves(b, each, DType::f64, all);
    const Var y = each.run(b, leaves.operands);
    const std::vector<double> before = to_values(y.value());
    const std::vector<LossTerm> loss = {{probe(b, y)}};
    for (int pass = 0; pass < 3; ++pass) {
      backward(b, loss, {.retain = pass < 2, .segments = {}});
      INFO("pass ", pass);
      for (std::size_t i = 0; i < leaves.parameters.size(); ++i) {
        CHECK(same_bytes(leaves.parameters[i]->gradient, once.gradients[i]));
        leaves.parameters[i]->clear_gradient();
        CHECK(to_values(leaves.parameters[i]->value) == input_values(each, i));
      }
    }
    CHECK(to_values(y.value()) == before);
  });
}

TEST_CASE("a gradient that two hold is copied before it is added onto") {
  Backend& b = ref_backend();
  const ParameterPtr w = make_parameter("w", b.filled({1, 1, 1, 1, 2}, DType::f64, 3.0));
  const ParameterPtr v = make_parameter("v", b.filled({1, 1, 1, 1, 2}, DType::f64, 5.0));
  const Var left = scale(b, Var::parameter(w), 2.0), right = scale(b, Var::parameter(v), 10.0);
  const Var early = scale(b, left, 100.0);  // runs after the sum and before left and right
  const Var sum = add(b, left, right);
  const std::vector<LossTerm> loss = {{reduce_sum(b, {}, add(b, early, sum))}};
  const BackwardStats stats = backward(b, loss);
  CHECK(to_values(w->gradient) == std::vector<double>(2, 2.0 * 101.0));
  CHECK(to_values(v->gradient) == std::vector<double>(2, 10.0));
  CHECK(stats.additions == 1);
}

}  // namespace duet::testing

// The graph itself: what is recorded, consumed, printed and freed.
#include <algorithm>
#include <doctest/doctest.h>
#include <functional>

#include "engine/autograd/graph_text.h"
#include "engine/autograd/node.h"
#include "engine/ops/conv.h"
#include "engine/ops/loss.h"
#include "engine/ops/pointwise.h"
#include "engine/ops/region.h"
#include "tests/support/backends.h"
#include "tests/support/op_case.h"

namespace duet::testing {
namespace {

ParameterPtr leaf(Backend& backend, const Shape& shape, const char* name = "w") {
  std::vector<double> values(static_cast<std::size_t>(shape.elements()));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i + 1);
  return make_parameter(name, from_values(backend.memory, shape, DType::f64, values));
}

BackwardStats run(Backend& backend, const Var& loss, bool retain = false) {
  BackwardOptions options;
  options.retain = retain;
  return backward(backend, std::vector<LossTerm>{{loss}}, options);
}

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const EngineError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("a consumed node is refused by name, a retained one is passed again") {
  Backend& b = ref_backend();
  const ParameterPtr w = leaf(b, {1, 1, 1, 2, 3});
  const Var trunk = scale(b, Var::parameter(w), 2.0);
  const Var first = reduce_sum(b, {}, trunk), second = reduce_mean(b, {}, trunk);
  run(b, first, true);
  run(b, first);
  CHECK(to_values(w->gradient) == std::vector<double>(6, 4.0));
  const std::string again = message_of([&] { run(b, first); });
  CHECK(again.find("'reduce_sum' of shape (1,1,1,1,1) was consumed") != std::string::npos);
  const std::string shared = message_of([&] { run(b, second); });  // only its trunk is consumed
  CHECK(shared.find("'scale' of shape (1,1,1,2,3) was consumed") != std::string::npos);
  CHECK(to_values(w->gradient) == std::vector<double>(6, 4.0));  // a refused pass changes nothing
}

TEST_CASE("losses that are no scalar or depend on nothing are refused") {
  Backend& b = ref_backend();
  const ParameterPtr w = leaf(b, {1, 1, 1, 2, 3});
  CHECK(message_of([&] { run(b, relu(b, Var::parameter(w))); }) == "backward: a loss must be a scalar");
  CHECK(message_of([&] { run(b, Var{}); }) == "backward: a loss must be a scalar");
  const Var constant = reduce_sum(b, {}, detach(relu(b, Var::parameter(w))));
  CHECK(message_of([&] { run(b, constant); }) == "backward: a loss does not depend on any parameter");
  CHECK(!w->gradient);  // never made
}

TEST_CASE("diamonds, a parameter used twice, an operand used twice") {
  Backend& b = ref_backend();
  const ParameterPtr w = leaf(b, {1, 1, 1, 1, 3});  // 1 2 3
  const Var x = Var::parameter(w);
  const Var square = multiply(b, x, x);                                  // two edges to one parameter
  const Var sum = add(b, scale(b, square, 2.0), scale(b, square, 3.0));  // a diamond
  const Var loss = reduce_sum(b, {}, add(b, multiply(b, sum, sum), x));  // 25 x^4 + x
  const BackwardStats stats = run(b, loss);
  const std::vector<double> expected = {101.0, 801.0, 2701.0};
  CHECK(to_values(w->gradient) == expected);
  CHECK(stats.nodes_visited == 7);
  CHECK(stats.additions == 4);  // sum, square, and two more onto w
}

TEST_CASE("a detached branch gets nothing and a detached parameter no gradient") {
  Backend& b = ref_backend();
  const ParameterPtr w = leaf(b, {1, 1, 1, 1, 3}), v = leaf(b, {1, 1, 1, 1, 3}, "v");
  const Var hidden = scale(b, Var::parameter(v), 2.0);
  run(b, reduce_sum(b, {}, multiply(b, Var::parameter(w), detach(hidden))));
  CHECK(to_values(w->gradient) == std::vector<double>{2.0, 4.0, 6.0});
  CHECK(!v->gradient);
  CHECK(!v->has_gradient);
}

TEST_CASE("nothing is recorded under NoGrad") {
  Backend& b = ref_backend();
  const std::size_t live = b.memory->counters().live_bytes;
  {
    const ParameterPtr w = leaf(b, {1, 2, 3, 4, 5});
    Var y;
    {
      const NoGrad outer;
      {
        const NoGrad inner;
        CHECK(!relu(b, Var::parameter(w)).requires_gradient());
      }
      y = relu(b, relu(b, Var::parameter(w)));
      CHECK(!y.requires_gradient());
      CHECK(!y.node());
      CHECK(graph_to_text({&y, 1}).empty());
    }
    CHECK(!NoGrad::active());
    CHECK(b.memory->counters().live_bytes - live == 2 * 960);  // w and y; what was between them is gone
    CHECK(relu(b, Var::parameter(w)).requires_gradient());
  }
  CHECK(b.memory->counters().live_bytes == live);
}

TEST_CASE("what nodes saved is freed as the pass goes") {
  Backend& b = ref_backend();
  const std::size_t live = b.memory->counters().live_bytes;
  const ParameterPtr w = leaf(b, {1, 8, 8, 8, 4});
  const std::size_t one = w->value.bytes();
  Var y = Var::parameter(w);
  for (int i = 0; i < 50; ++i) y = relu(b, y);
  const Var loss = reduce_sum(b, {}, y);
  y = {};
  const BackwardStats stats = run(b, loss);
  CHECK(stats.nodes_visited == 51);
  CHECK(stats.peak_bytes - live <= 54 * one);                // 50 values, w, and two gradients at a time
  CHECK(b.memory->counters().live_bytes - live <= 3 * one);  // w, its gradient and the loss
}

TEST_CASE("a chain of 10,000 ops neither overflows in backward nor at destruction") {
  Backend& b = ref_backend();
  const std::size_t live = b.memory->counters().live_bytes;
  for (const bool twice : {false, true}) {  // with each link an operand once, or twice
    for (const int length : {10000, 200000}) {
      for (const bool passes : {true, false}) {
        const ParameterPtr w = leaf(b, Shape::scalar());
        {
          Var y = Var::parameter(w);
          for (int i = 0; i < length; ++i) y = twice ? add(b, y, y) : scale(b, y, -1.0);
          const Var loss = reduce_sum(b, {}, scale(b, y, 0.0));
          y = {};
          if (passes) {
            const BackwardStats stats = run(b, loss);
            CHECK(stats.nodes_visited == static_cast<std::uint64_t>(length) + 2);
            CHECK(std::abs(scalar_value(w->gradient)) == 0.0);
          }
        }
      }
    }
  }
  CHECK(b.memory->counters().live_bytes == live);
}

TEST_CASE("the graph as text and as Graphviz") {
  Backend& b = ref_backend();
  const ParameterPtr w = leaf(b, {2, 1, 1, 1, 3}, "head.weight"),
                     bias = leaf(b, {1, 1, 1, 1, 2}, "head.bias");
  const Var x = Var::constant(b.filled({1, 1, 2, 2, 3}, DType::f64, 1.0));
  const Conv3dSpec point{{1, 1, 1}, {1, 1, 1}, {0, 0, 0}};
  const Var z = conv3d(b, point, x, Var::parameter(w), Var::parameter(bias));
  const Var plain = conv3d(b, point, x, Var::parameter(w));  // no bias
  const Var losses[] = {reduce_sum(b, {}, add(b, relu(b, z), plain)), reduce_mean(b, {}, z)};
  CHECK(graph_to_text(losses) ==
        "#1 conv3d (1,1,2,2,2) <- constant (1,1,2,2,3), head.weight, head.bias\n"
        "#2 conv3d (1,1,2,2,2) <- constant (1,1,2,2,3), head.weight\n"
        "#3 relu (1,1,2,2,2) <- #1\n"
        "#4 add (1,1,2,2,2) <- #3, #2\n"
        "#5 reduce_sum (1,1,1,1,1) <- #4\n"
        "#6 reduce_mean (1,1,1,1,1) <- #1\n");
  CHECK(graph_to_text({&losses[1], 1}) ==
        "#1 conv3d (1,1,2,2,2) <- constant (1,1,2,2,3), head.weight, head.bias\n"
        "#2 reduce_mean (1,1,1,1,1) <- #1\n");
  const std::string dot = graph_to_dot({&losses[1], 1});
  CHECK(dot ==
        "digraph duet {\n"
        "  rankdir=BT;\n"
        "  node [shape=box, fontname=\"monospace\"];\n"
        "  n1 [label=\"conv3d\\n(1,1,2,2,2)\"];\n"
        "  \"head.weight\" [shape=ellipse];\n"
        "  \"head.weight\" -> n1;\n"
        "  \"head.bias\" [shape=ellipse];\n"
        "  \"head.bias\" -> n1;\n"
        "  n2 [label=\"reduce_mean\\n(1,1,1,1,1)\"];\n"
        "  n1 -> n2;\n"
        "}\n");
  const std::string both = graph_to_dot(losses);
  CHECK(std::count(both.begin(), both.end(), '>') == 8);  // an arrow an operand that is no constant
}

}  // namespace duet::testing

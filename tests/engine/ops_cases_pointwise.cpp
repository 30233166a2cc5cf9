// Cases of engine/ops/pointwise.h.
#include "engine/ops/pointwise.h"
#include "tests/engine/ops_cases.h"

namespace duet::testing {
namespace {

OpCase dropped(const Shape& x, double p, bool channels, Index batch, Index first_sample) {
  DropoutSpec spec;
  spec.key = {0x1234567890ull, Stream::dropout, 1, 7, 42, 3};
  spec.p = p;
  spec.channels = channels;
  spec.batch = batch;
  spec.first_sample = first_sample;
  return {channels ? "dropout of channels" : "dropout of elements",
          text(x, " p ", p, " batch ", batch, " from ", first_sample),
          {{x}},
          [spec](Backend& backend, const Operands& in) { return dropout(backend, spec, in[0]); }};
}

}  // namespace

std::vector<OpCase> pointwise_cases() {
  std::vector<OpCase> cases;
  for (const Shape& x : common_shapes()) {
    const std::string name = text(x);
    const OpInput any{x}, off_kink{x, Role::data, Values::separated};
    cases.push_back(
        {"add", name, {any, any}, [](Backend& b, const Operands& in) { return add(b, in[0], in[1]); }});
    cases.push_back({"multiply", name, {any, any}, [](Backend& b, const Operands& in) {
                       return multiply(b, in[0], in[1]);
                     }});
    const double factor = static_cast<double>(x.c) - 3.5;
    cases.push_back(
        {"scale", name, {any}, [factor](Backend& b, const Operands& in) { return scale(b, in[0], factor); }});
    cases.push_back(
        {"relu", name, {off_kink}, [](Backend& b, const Operands& in) { return relu(b, in[0]); }});
    cases.push_back({"leaky_relu", name, {off_kink}, [](Backend& b, const Operands& in) {
                       return leaky_relu(b, in[0], 0.01);
                     }});
    auto rectify = [](Backend& b, const Operands& in) { return prelu(b, in[0], in[1]); };
    cases.push_back({"prelu of channels",
                     name,
                     {off_kink, {Shape::vector(x.c), Role::parameter, Values::positive}},
                     rectify});
    cases.push_back({"prelu", name, {off_kink, {Shape::scalar(), Role::parameter}}, rectify});
    cases.push_back(
        {"detach",
         name,
         {any},
         [](Backend& b, const Operands& in) { return multiply(b, in[0], detach(in[0])); },
         1e-5,
         [](Backend& b, const Operands& in, const Operands& rest) { return multiply(b, in[0], rest[0]); }});
    for (const bool channels : {false, true}) cases.push_back(dropped(x, 0.5, channels, 0, 0));
  }
  // The same operand twice.
  cases.push_back({"multiply", "by itself", {{Shape{2, 3, 1, 4, 3}}}, [](Backend& b, const Operands& in) {
                     return multiply(b, in[0], in[0]);
                   }});
  cases.push_back({"add", "to itself", {{Shape{2, 3, 1, 4, 3}}}, [](Backend& b, const Operands& in) {
                     return add(b, in[0], in[0]);
                   }});
  for (const bool channels : {false, true}) {
    cases.push_back(dropped({6, 2, 3, 1, 5}, 0.3, channels, 2, 0));  // three passes in one batch
    cases.push_back(dropped({4, 3, 2, 2, 8}, 0.9, channels, 4, 2));
    cases.push_back(dropped({3, 1, 5, 3, 3}, 0.0, channels, 1, 1));
  }
  return cases;
}

}  // namespace duet::testing

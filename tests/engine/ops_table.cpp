// What must hold for every op case on every backend; see tests/support/op_case.h.
#include <doctest/doctest.h>
#include <iostream>
#include <map>
#include <set>

#include "engine/core/parallel.h"
#include "tests/engine/ops_cases.h"
#include "tests/support/backends.h"

namespace duet::testing {
namespace {

// One failing case does not hide the others.
template <class Body>
void for_each_case(const Body& body) {
  for (const OpCase& each : all_cases()) {
    INFO(each.op, ": ", each.name);
    try {
      body(each);
    } catch (const std::exception& error) {
      FAIL_CHECK("threw: ", error.what());
    }
  }
}

Wanted wanted_of(const OpCase& op_case) {
  return [&op_case](std::size_t i) { return differentiable(op_case, i); };
}

void check_close(const CaseResult& got, const CaseResult& expected, double tolerance) {
  CHECK(relative_difference(got.output, expected.output) <= tolerance);
  for (std::size_t i = 0; i < expected.gradients.size(); ++i) {
    if (!expected.gradients[i]) continue;
    INFO("gradient of input ", i);
    CHECK(relative_difference(got.gradients[i], expected.gradients[i]) <= tolerance);
  }
}

void check_same_bytes(const CaseResult& got, const CaseResult& expected) {
  CHECK(same_bytes(got.output, expected.output));
  for (std::size_t i = 0; i < expected.gradients.size(); ++i) {
    INFO("gradient of input ", i);
    CHECK(static_cast<bool>(got.gradients[i]) == static_cast<bool>(expected.gradients[i]));
    if (expected.gradients[i]) CHECK(same_bytes(got.gradients[i], expected.gradients[i]));
  }
}

struct Threads {  // for a scope
  explicit Threads(int count) : before(max_threads()) { set_threads(count); }
  ~Threads() { set_threads(before); }
  int before;
};

}  // namespace

TEST_CASE("op cases: every op has at least eight shapes") {
  std::map<std::string, std::set<std::string>> shapes;
  std::size_t count = 0;
  for (const OpCase& each : all_cases()) {
    std::string all;
    for (const OpInput& input : each.inputs) all += text(input.shape);
    shapes[each.op].insert(all);
    ++count;
  }
  for (const auto& [op, distinct] : shapes) {
    INFO(op);
    CHECK(distinct.size() >= 8);
  }
  std::cout << "op cases: " << count << " (" << shapes.size() << " ops)" << std::endl;
}

TEST_CASE("gradient against central differences in double on ref") {
  const Threads one(1);
  for_each_case([](const OpCase& each) {
    const std::string wrong = check_gradient(ref_backend(), each, 12);
    CHECK_MESSAGE(wrong.empty(), wrong);
  });
}

TEST_CASE("ref in f32 against ref in double") {
  const Threads one(1);
  for_each_case([](const OpCase& each) {
    const CaseResult exact = run_case(ref_backend(), each, DType::f64, wanted_of(each));
    check_close(run_case(ref_backend(), each, DType::f32, wanted_of(each)), exact, each.tolerance);
  });
}

TEST_CASE("forward and gradients of the other backends against ref in f32") {
  for (const std::string& name : other_backends()) {
    INFO(name);
    for_each_case([&](const OpCase& each) {
      const CaseResult expected = run_case(ref_backend(), each, DType::f32, wanted_of(each));
      check_close(run_case(backend_of(name), each, DType::f32, wanted_of(each)), expected, each.tolerance);
    });
  }
}

TEST_CASE("gradients are written over NaN and added onto values") {
  const Threads one(1);
  for (const std::string& name : tested_backends()) {
    INFO(name);
    for_each_case([&](const OpCase& each) {
      const CaseResult clean = run_case(backend_of(name), each, DType::f32, wanted_of(each));
      check_same_bytes(run_case(backend_of(name), each, DType::f32, wanted_of(each), Prior::nan), clean);
      const CaseResult added = run_case(backend_of(name), each, DType::f32, wanted_of(each), Prior::values);
      for (std::size_t i = 0; i < clean.gradients.size(); ++i) {
        if (!clean.gradients[i]) continue;
        std::vector<double> expected = to_values(clean.gradients[i]);
        for (std::size_t k = 0; k < expected.size(); ++k) expected[k] += prior_value(k);
        INFO("gradient of input ", i);
        CHECK(relative_difference(to_values(added.gradients[i]), expected) <= each.tolerance);
      }
    });
  }
}

TEST_CASE("inputs are untouched, and only those that want a gradient get one") {
  const Threads one(1);
  for (const std::string& name : tested_backends()) {
    INFO(name);
    Backend& backend = backend_of(name);
    for_each_case([&](const OpCase& each) {
      const CaseResult all = run_case(backend, each, DType::f32, wanted_of(each));
      for (std::size_t i = 0; i < each.inputs.size(); ++i) {
        if (!differentiable(each, i)) continue;
        INFO("only input ", i, " wants a gradient");
        const Leaves leaves = make_leaves(backend, each, DType::f32, [i](std::size_t k) { return k == i; });
        const Var y = each.run(backend, leaves.operands);
        backward(backend, std::vector<LossTerm>{{probe(backend, y)}});
        CHECK(same_bytes(leaves.parameters[i]->gradient, all.gradients[i]));
        for (std::size_t k = 0; k < each.inputs.size(); ++k) {
          CHECK(to_values(leaves.operands[k].value()) == input_values(each, k));
        }
      }
      const Leaves constants = make_leaves(backend, each, DType::f32, [](std::size_t) { return false; });
      CHECK(!each.run(backend, constants.operands).requires_gradient());
    });
  }
}

TEST_CASE("nothing leaks") {
  const Threads one(1);
  for (const std::string& name : tested_backends()) {
    INFO(name);
    Backend& backend = backend_of(name);
    for_each_case([&](const OpCase& each) {
      // Parameters live on, as in training; the first pass makes gradients and fills caches of plans and
      // packed weights.
      const Leaves leaves = make_leaves(backend, each, DType::f32, wanted_of(each));
      auto pass = [&](bool passes_back) {
        const Var y = each.run(backend, leaves.operands);
        if (passes_back) backward(backend, std::vector<LossTerm>{{probe(backend, y)}});
      };
      pass(true);
      const std::size_t before = backend.memory->counters().live_bytes;
      pass(true);
      CHECK(backend.memory->counters().live_bytes == before);
      pass(false);  // a graph that is dropped
      CHECK(backend.memory->counters().live_bytes == before);
    });
  }
  CHECK(ref_backend().memory->counters().live_bytes == 0);
}

TEST_CASE("the same bytes every time: on ref for any number of threads, elsewhere for the same") {
  for (const std::string& name : tested_backends()) {
    INFO(name);
    for_each_case([&](const OpCase& each) {
      CaseResult first, again;
      {
        const Threads two(2);
        first = run_case(backend_of(name), each, DType::f32, wanted_of(each));
      }
      {
        const Threads threads(name == "ref" ? 1 : 2);
        again = run_case(backend_of(name), each, DType::f32, wanted_of(each));
      }
      check_same_bytes(again, first);
    });
  }
}

}  // namespace duet::testing

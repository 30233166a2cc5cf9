// Every op case with activations in bf16, parameters and statistics in f32, against the reference backend in
// double on the same (rounded) values: each tensor within 1e-2 of its largest value. bf16 has 8 bits, so one
// rounding is up to 2e-3; what passes here rounds results, not sums.
#include <doctest/doctest.h>
#include <iostream>
#include <map>

#include "engine/core/parallel.h"
#include "tests/engine/ops_cases.h"
#include "tests/support/backends.h"

namespace duet::testing {
namespace {

constexpr double kBound = 1e-2;

// Ops that have no bf16, and why.
const std::map<std::string, const char*> kWithout = {
    {"softmax", "of logits, which stay f32"},           {"log_softmax", "of logits, which stay f32"},
    {"cross_entropy", "of logits, which stay f32"},     {"cross_entropy soft", "of logits, which stay f32"},
    {"segmentation_loss", "of logits, which stay f32"}, {"dice", "of probabilities, which stay f32"},
    {"dice soft", "of probabilities, which stay f32"},  {"squared_error", "of probabilities, which stay f32"},
    {"reduce_sum", "of losses, which stay f32"},        {"reduce_mean", "of losses, which stay f32"},
};

bool convolves(const OpCase& each) { return each.op.find("conv") != std::string::npos; }

Wanted wanted_of(const OpCase& op_case) {
  return [&op_case](std::size_t i) { return differentiable(op_case, i); };
}

// Calls body(backend, case) for what each backend has in bf16; one failing case does not hide the others.
// Returns how many cases there are.
template <class Body>
std::size_t for_each_case(const Body& body) {
  std::size_t count = 0;
  for (OpCase& each : all_cases()) {
    if (kWithout.contains(each.op)) continue;
    ++count;
    each.bf16_data = true;
    for (const std::string& name : tested_backends()) {
      Backend& backend = backend_of(name);
      if (name != "ref" && convolves(each) && !backend.fast_bf16) continue;
      INFO(name, ": ", each.op, ": ", each.name);
      try {
        body(backend, each);
      } catch (const std::exception& error) {
        FAIL_CHECK("threw: ", error.what());
      }
    }
  }
  return count;
}

void check_close(const Tensor& got, const std::vector<double>& expected) {
  REQUIRE(got);
  const double difference = relative_difference(to_values(got), expected);
  CHECK(difference <= kBound);
}

}  // namespace

TEST_CASE("bf16: forward and gradients against ref in double") {
  for (const std::string& name : tested_backends()) {
    if (name != "ref" && !backend_of(name).fast_bf16) {
      std::cout << "SKIPPED: convolutions of " << name << " in bf16, which this processor does not multiply"
                << std::endl;
    }
  }
  std::map<std::string, CaseResult> exact;  // of the last case
  const std::size_t count = for_each_case([&](Backend& backend, const OpCase& each) {
    const std::string key = each.op + each.name;
    if (!exact.contains(key)) {
      exact.clear();
      exact[key] = run_case(ref_backend(), each, DType::f64, wanted_of(each));
    }
    const CaseResult &expected = exact[key], got = run_case(backend, each, DType::bf16, wanted_of(each));
    check_close(got.output, to_values(expected.output));
    for (std::size_t i = 0; i < each.inputs.size(); ++i) {
      if (!differentiable(each, i)) continue;
      INFO("gradient of input ", i);
      check_close(got.gradients[i], to_values(expected.gradients[i]));
      CHECK(got.gradients[i].dtype() == (each.inputs[i].role == Role::data ? DType::bf16 : DType::f32));
    }
  });
  std::cout << "bf16 op cases: " << count << std::endl;
  CHECK(count > 250);
}

TEST_CASE("bf16: gradients are written over NaN and added onto values, for any number of threads") {
  const int threads = max_threads();
  for_each_case([&](Backend& backend, const OpCase& each) {
    set_threads(1);
    const CaseResult clean = run_case(backend, each, DType::bf16, wanted_of(each));
    const CaseResult added = run_case(backend, each, DType::bf16, wanted_of(each), Prior::values);
    // Of the library only results for one number of threads are equal.
    if (backend.name == "ref" || !convolves(each)) set_threads(2);
    const CaseResult over = run_case(backend, each, DType::bf16, wanted_of(each), Prior::nan);
    set_threads(threads);
    CHECK(same_bytes(over.output, clean.output));
    for (std::size_t i = 0; i < each.inputs.size(); ++i) {
      if (!differentiable(each, i)) continue;
      INFO("gradient of input ", i);
      CHECK(same_bytes(over.gradients[i], clean.gradients[i]));
      std::vector<double> expected = to_values(clean.gradients[i]);
      for (std::size_t k = 0; k < expected.size(); ++k) expected[k] += prior_value(k);
      check_close(added.gradients[i], expected);
    }
  });
}

TEST_CASE("bf16: what has none says so, and what has it is not on the list") {
  for (OpCase& each : all_cases()) {
    if (!kWithout.contains(each.op)) continue;
    each.bf16_data = true;
    INFO(each.op, ": ", each.name, ": ", kWithout.at(each.op));
    for (OpInput& input : each.inputs) {  // weights and soft targets in the logits' type, too
      if (input.values != Values::classes) input.role = Role::data;
    }
    CHECK_THROWS_AS(run_case(ref_backend(), each, DType::bf16, [](std::size_t) { return false; }),
                    EngineError);
  }
}

}  // namespace duet::testing

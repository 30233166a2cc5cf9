// Whole runs on the CUDA room: the trainer, every method, batches uploaded beside the step. Against the
// reference backend on the CPU.
#include "engine/backend/ref/ref.h"
#include "tests/cotrain/small_run.h"
#include "tests/engine/cuda/host_driver.h"
#include "tests/io/temporary_folder.h"

namespace duet::testing {
namespace {

// The loss terms of each step and the last validation's Dice.
std::vector<double> run_on(Backend& backend, const std::string& method, Index steps) {
  ConfigValues values(run_schema());
  RunConfig config = small_config(method);
  config.method.fold = 3;
  config.method.cutmix = method == "supervised" ? 0.0 : 1.0;
  config.training.iterations = config.training.validate_every = config.training.checkpoint_every = steps;
  const TemporaryFolder folder;
  std::vector<double> numbers;
  TrainingEvents events;
  events.stepped = [&](Index, const StepReport& report, double) {
    for (const auto& term : report.terms) numbers.push_back(term.value());
  };
  events.validated = [&](Index, const ValidationScore& score) { numbers.push_back(score.chosen); };
  train(backend, values, config, create_run(folder / "run"), small_data(config), false, {}, events);
  return numbers;
}

}  // namespace

TEST_CASE("runs of each method on the CUDA room have the losses of the reference, step by step") {
  constexpr Index kSteps = 4;
  for (const std::string method : {"supervised", "mean_teacher", "ua_mt", "cps", "udct"}) {
    INFO(method);
    HostDriver* driver = nullptr;
    const auto cuda = make_host_cuda(&driver);
    const auto reference = make_ref_backend();
    const std::vector<double> got = run_on(*cuda, method, kSteps),
                              expected = run_on(*reference, method, kSteps);
    REQUIRE(got.size() == expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == doctest::Approx(expected[i]).epsilon(1e-3));
    CHECK(driver->calls.uploads_beside == kSteps * 3);
  }
}

}  // namespace duet::testing

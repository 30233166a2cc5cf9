// Alternating steps against their definition, what they leave uncomputed, and the warm-up on labels alone.
#include "engine/core/parallel.h"
#include "tests/cotrain/small_step.h"

using namespace duet;
using namespace duet::testing;

TEST_CASE("an alternating step is the optimisers' step on one task's terms") {
  // Half a batch is shared out among several threads in other pieces than a whole one, and a ReLU near its
  // kink makes much of a last digit.
  const int threads = max_threads();
  set_threads(1);
  for (const std::string method : {"udct", "cps", "mean_teacher", "ua_mt"}) {
    INFO(method);
    RunConfig config = small_config(method);
    config.method.alternating = true;
    config.method.mask_start = config.method.mask_end = 2.0;  // ua_mt: all voxels
    SmallStep alternating(config), defined(config);
    Values before = all_weights(alternating.state);
    for (Index t = 0; t < 4; ++t) {
      const StepReport report = alternating.run(t);
      defined.run_terms(static_cast<std::uint32_t>(t), t % 2 == 0 ? "sup" : "uns");
      const Values after = all_weights(alternating.state);
      CHECK(distance(after, all_weights(defined.state)) < 1e-5);
      CHECK(distance(after, before) > 1e-5);
      before = after;

      CHECK(report.tasks.supervised == (t % 2 == 0));
      CHECK(report.tasks.unsupervised == (t % 2 != 0));
      const auto names = alternating.state.method->term_names();
      REQUIRE(report.terms.size() == names.size());
      for (std::size_t i = 0; i < names.size(); ++i)
        CHECK(report.terms[i].has_value() == (names[i].rfind(t % 2 == 0 ? "sup" : "uns", 0) == 0));
      for (const LaneReport& lane : report.lanes) {
        CHECK(lane.cosine == 0.0);
        CHECK((lane.supervised_norm > 0) == (t % 2 == 0));
        CHECK((lane.unsupervised_norm > 0) == (t % 2 != 0));
      }
    }
  }
  set_threads(threads);
}

TEST_CASE("lanes and terms of an alternating step are those of the joint one; its other half is not run") {
  RunConfig config = small_config("udct");
  config.method.ramp = 0;
  SmallStep joint(config);
  const StepReport whole = joint.run(1);
  const auto samples = joint.backend->work.conv_samples;
  config.method.alternating = true;
  SmallStep half(config);
  const StepReport report = half.run(1);
  for (const std::size_t i : {2u, 3u})
    CHECK(report.terms[i].value() == doctest::Approx(whole.terms[i].value()).epsilon(1e-5));
  for (const std::size_t i : {0u, 1u}) {
    CHECK(report.lanes[i].unsupervised_norm ==
          doctest::Approx(whole.lanes[i].unsupervised_norm).epsilon(1e-4));
  }
  CHECK(half.backend->work.conv_samples == samples / 2);
}

TEST_CASE("supervised has one task, in every step") {
  RunConfig config = small_config("supervised");
  config.method.alternating = true;
  config.method.warm_up = 0.5;
  SmallStep s(config);
  for (Index t = 0; t < 2; ++t) CHECK(s.run(t).terms[0].has_value());
}

TEST_CASE("balance under alternating steps: each step measures its own lane") {
  RunConfig config = small_config("udct");
  config.method.alternating = true;
  config.method.merge = MergeRule::balance;
  config.method.ramp = 0;
  config.method.lambda_max = 0.5;
  config.method.lanes = "all";
  config.training.optimiser.momentum = 0;
  config.training.optimiser.weight_decay = 0;
  SmallStep s(config);
  const StepReport first = s.run(0);
  const Values before = values_of(*s.state.networks[0]);
  const StepReport second = s.run(1);
  const Values after = values_of(*s.state.networks[0]);
  CHECK(s.state.balance[0].supervised.mean == doctest::Approx(first.lanes[0].supervised_norm));
  CHECK(s.state.balance[0].unsupervised.mean == doctest::Approx(second.lanes[0].unsupervised_norm / 0.5));
  // All parameters have lanes, so the step as long as the rule says: rate * lambda * |s|.
  double squares = 0;
  for (std::size_t i = 0; i < after.size(); ++i) squares += (after[i] - before[i]) * (after[i] - before[i]);
  CHECK(std::sqrt(squares) ==
        doctest::Approx(second.rate * 0.5 * first.lanes[0].supervised_norm).epsilon(1e-3));
}

TEST_CASE("alternating steps and those after a warm-up ask for no memory once each kind has run twice") {
  RunConfig config = small_config("udct");
  config.method.merge = MergeRule::balance;
  config.method.warm_up = 0.05;  // 2 of 40
  for (const bool alternating : {false, true}) {
    config.method.alternating = alternating;
    SmallStep s(config);
    for (Index t = 0; t < 6; ++t) s.run(t);
    const MemoryCounters before = s.backend->memory->counters();
    for (Index t = 6; t < 16; ++t) s.run(t);
    CHECK(s.backend->memory->counters().system_requests == before.system_requests);
    CHECK(s.backend->memory->counters().live_bytes == before.live_bytes);
  }
}

TEST_CASE("warm-up: lambda 0 and labels alone, then the ramp from its start") {
  MethodConfig method;
  method.lambda_max = 2.0;
  method.warm_up = 0.25;
  method.ramp = 0.5;
  for (Index t : {0, 24}) {
    CHECK(ramp(method, t, 100) == 0.0);
    CHECK(!tasks_of(method, t, 100).unsupervised);
  }
  CHECK(tasks_of(method, 25, 100).both());
  CHECK(ramp(method, 25, 100) == doctest::Approx(2.0 * std::exp(-5.0)));
  CHECK(ramp(method, 50, 100) == doctest::Approx(2.0 * std::exp(-5.0 * 0.25)));
  CHECK(ramp(method, 75, 100) == doctest::Approx(2.0));
  method.alternating = true;
  CHECK(tasks_of(method, 1, 100).supervised);
  CHECK(!tasks_of(method, 25, 100).supervised);

  for (const std::string name : {"udct", "ua_mt"}) {
    RunConfig config = small_config(name);
    config.method.warm_up = 0.05;  // 2 of 40
    SmallStep warm(config), defined(config);
    for (Index t = 0; t < 2; ++t) {
      const StepReport report = warm.run(t);
      defined.run_terms(static_cast<std::uint32_t>(t), "sup");
      CHECK(report.lambda == 0.0);
      CHECK(!report.terms.back().has_value());
      CHECK(distance(all_weights(warm.state), all_weights(defined.state)) < 1e-5);
    }
    const StepReport report = warm.run(2);
    CHECK(report.terms.back().has_value());
    CHECK(report.lambda == doctest::Approx(std::exp(-5.0)));
    CHECK(report.lanes[0].unsupervised_norm > 0);
  }
}

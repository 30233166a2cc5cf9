// Runs of the baselines: what their checkpoints hold, what predicts, what is refused.
#include "cotrain/predict/trained.h"
#include "cotrain/train/weights_file.h"
#include "tests/cotrain/small_step.h"
#include "tests/io/temporary_folder.h"

using namespace duet;
using namespace duet::testing;

namespace {

namespace fs = std::filesystem;

ConfigValues three_steps(const std::string& method) {
  ConfigValues values = small_values(method);
  values.assign("training.iterations", Index{3}, "test");
  values.assign("training.validate_every", Index{3}, "test");
  return values;
}

}  // namespace

TEST_CASE("a teacher is kept to resume from; prediction takes the networks that learn") {
  for (const std::string method : {"mean_teacher", "ua_mt", "cps"}) {
    INFO(method);
    const bool taught = method != "cps";
    const TemporaryFolder folder;
    const auto backend = make_default_backend();
    const ConfigValues values = three_steps(method);
    const RunConfig config = typed(values);
    const RunFolder run = create_run(folder / "run");
    train(*backend, values, config, run, small_data(config), false, {}, {});
    CHECK(fs::exists(run.last() / "teacher_1.safetensors") == taught);
    CHECK(!fs::exists(run.best() / "teacher_1.safetensors"));

    for (const std::string which : {"last", "best"}) {
      const TrainedNetworks trained = load_trained(*backend, run.path, which);
      REQUIRE(trained.networks.size() == (taught ? 1 : 2));
      for (std::size_t i = 0; i < trained.networks.size(); ++i) {
        const auto stored = make_network(*backend, trained.networks[i]->config(), 99, 0);
        read_weights(trained.checkpoint / text("network_", i + 1, ".safetensors"), *stored);
        const auto a = stored->state(), b = trained.networks[i]->state();
        for (std::size_t k = 0; k < a.size(); ++k) CHECK(to_values(a[k].value) == to_values(b[k].value));
      }
    }
    if (!taught) continue;
    // Resuming without its teacher would be another run.
    fs::remove(run.last() / "teacher_1.safetensors");
    TrainingState state = make_training_state(*backend, config, 3);
    const Caught missing =
        caught([&] { read_checkpoint(run.last(), state.networks, &state.optimisers, state.teachers); });
    CHECK(missing.message.find("teacher_1.safetensors") != std::string::npos);
  }
}

TEST_CASE("a teacher starts from a warm start's weights, not from its own draw") {
  const TemporaryFolder folder;
  const auto backend = make_default_backend();
  ConfigValues values = three_steps("mean_teacher");
  // Without noise and dropout a teacher that is its network agrees with it: the first step's term is 0.
  values.assign("method.noise", 0.0, "test");
  values.assign("model.dropout_p", 0.0, "test");
  values.assign("training.iterations", Index{1}, "test");
  const RunConfig config = typed(values);
  const auto other = make_network(
      *backend,
      [&] {
        NetworkConfig model = config.model;
        model.classes = 3;
        return model;
      }(),
      42, 0);
  write_weights(folder / "warm.safetensors", *other, {});
  double agreement = -1;
  TrainingEvents events;
  events.stepped = [&](Index, const StepReport& report, double) { agreement = report.terms.at(1).value(); };
  train(*backend, values, config, create_run(folder / "run"), small_data(config), false,
        {folder / "warm.safetensors"}, events);
  CHECK(agreement >= 0);
  CHECK(agreement < 1e-9);
}

TEST_CASE("a method that learns from unlabelled cases wants some in a batch") {
  for (const std::string method : {"mean_teacher", "ua_mt", "cps", "udct", "supervised"}) {
    INFO(method);
    ConfigValues values = three_steps(method);
    values.assign("training.unlabelled_batch", Index{0}, "test");
    ConfigErrors errors;
    to_run_config(values, errors);
    if (method == "supervised") {
      CHECK(errors.empty());
    } else {
      REQUIRE(errors.lines().size() == 1);
      CHECK(errors.lines()[0].find("at least 1 for method " + method) != std::string::npos);
    }
  }
}

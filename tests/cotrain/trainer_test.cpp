// Whole runs: interrupted and resumed without a trace, refused where they would overwrite, checkpoints that
// hold.
#include <algorithm>
#include <fstream>

#include "io/weights/safetensors.h"
#include "tests/cotrain/small_run.h"
#include "tests/io/temporary_folder.h"
#include "tests/support/metrics_text.h"

using namespace duet;
using namespace duet::testing;

namespace {

namespace fs = std::filesystem;

void run_all(const RunConfig& config, const RunFolder& run, bool resume, Index stop_after = -1) {
  const auto backend = make_default_backend();
  const ConfigValues values(run_schema());
  TrainingEvents events;
  Index done = 0;
  events.stepped = [&](Index iteration, const StepReport&, double) { done = iteration; };
  events.should_stop = [&] { return stop_after >= 0 && done >= stop_after; };
  train(*backend, values, config, run, small_data(config), resume, {}, events);
}

}  // namespace

TEST_CASE("40 iterations equal 20, an interrupt and a resume: weights, momentum, metrics") {
  for (const std::string method : {"supervised", "mean_teacher", "ua_mt", "cps", "udct"}) {
    for (NormKind norm : {NormKind::instance, NormKind::batch}) {
      const TemporaryFolder folder;
      const RunConfig config = small_config(method, norm);
      const RunFolder whole = create_run(folder / "whole"), parts = create_run(folder / "parts");
      run_all(config, whole, false);
      const Caught stopped = caught([&] { run_all(config, parts, false, 20); });
      CHECK(stopped.code == ExitCode::interrupted);
      CHECK(stopped.message.find("iteration 20") != std::string::npos);
      run_all(config, parts, true);
      CHECK(metrics_without_time(whole.metrics()) == metrics_without_time(parts.metrics()));
      check_same_files(whole.path / "checkpoints", parts.path / "checkpoints");
    }
  }
}

TEST_CASE("a run cut off after its checkpoint runs the lost iterations again") {
  const TemporaryFolder folder;
  const RunConfig config = small_config("supervised");
  const RunFolder whole = create_run(folder / "whole"), cut = create_run(folder / "cut");
  run_all(config, whole, false);
  const Caught stopped = caught([&] { run_all(config, cut, false, 20); });
  CHECK(stopped.code == ExitCode::interrupted);
  // What a kill would leave: lines beyond the checkpoint, one of them torn.
  std::ofstream(cut.metrics(), std::ios::app) << "21,0.1,0.5,0.1,0.1,,\n22,0.";
  run_all(config, cut, true);
  CHECK(metrics_without_time(whole.metrics()) == metrics_without_time(cut.metrics()));
}

TEST_CASE("a run whose checkpoint is not whole, as of a copy that was cut off, does not begin anew") {
  const TemporaryFolder folder;
  const RunConfig config = small_config("supervised");
  const RunFolder run = create_run(folder / "run");
  run_all(config, run, false);
  fs::remove(run.last() / "training.safetensors");
  const std::string metrics = contents_of(run.metrics());
  fs::copy(run.best(), folder / "best");
  expect_error(caught([&] { run_all(config, run, true); }), ExitCode::data,
               {"last: expected training.safetensors in it, found none"});
  CHECK(contents_of(run.metrics()) == metrics);
  check_same_files(folder / "best", run.best());
}

TEST_CASE("a checkpoint of weights of several iterations, as of a run copied while it went on, is refused") {
  const TemporaryFolder folder;
  const auto backend = make_default_backend();
  TrainingState state = make_training_state(*backend, small_config("cps"), 3);
  write_checkpoint(folder / "seven", state.networks, &state.optimisers, {7, 0.5, 5});
  write_checkpoint(folder / "eight", state.networks, &state.optimisers, {8, 0.5, 5});
  fs::copy_file(folder / "seven/network_2.safetensors", folder / "eight/network_2.safetensors",
                fs::copy_options::overwrite_existing);
  expect_error(caught([&] { read_checkpoint(folder / "eight", state.networks, &state.optimisers); }),
               ExitCode::data, {"network_2.safetensors: expected weights of iteration 8", "found 7"});
}

TEST_CASE("a checkpoint is written when the last one is old, whatever the iteration, and changes nothing") {
  const TemporaryFolder folder;
  RunConfig config = small_config("supervised");
  config.training.checkpoint_every = 1000;
  config.training.validate_every = 40;
  const RunFolder whole = create_run(folder / "whole"), often = create_run(folder / "often");
  run_all(config, whole, false);
  const auto backend = make_default_backend();
  TrainingEvents events;
  std::vector<bool> saved;  // before each step's own turn
  events.stepped = [&](Index, const StepReport&, double) {
    saved.push_back(!find_checkpoint(often.last()).empty());
  };
  config.training.checkpoint_minutes = 1e-9;
  train(*backend, ConfigValues(run_schema()), config, often, small_data(config), false, {}, events);
  CHECK(std::count(saved.begin(), saved.end(), true) == 39);  // all but the first
  check_same_files(whole.path / "checkpoints", often.path / "checkpoints");
  config.training.checkpoint_minutes = 0;
  const RunFolder never = create_run(folder / "never");
  saved.clear();
  events.stepped = [&](Index, const StepReport&, double) {
    saved.push_back(!find_checkpoint(never.last()).empty());
  };
  train(*backend, ConfigValues(run_schema()), config, never, small_data(config), false, {}, events);
  CHECK(std::count(saved.begin(), saved.end(), true) == 0);
}

TEST_CASE("a folder that holds another run is refused, and its files stay") {
  const TemporaryFolder folder;
  RunConfig config = small_config("supervised");
  config.training.iterations = 2;
  const RunFolder run = create_run(folder / "run");
  run_all(config, run, false);
  const std::string before = contents_of(run.metrics());
  expect_error(caught([&] { create_run(folder / "run"); }), ExitCode::filesystem,
               {"run", "another run", "--resume"});
  CHECK(contents_of(run.metrics()) == before);
  expect_error(caught([&] { open_run(folder / "nothing", ConfigValues(run_schema())); }),
               ExitCode::filesystem, {"nothing", "found no config.resolved.json"});
  ConfigValues other(run_schema());
  other.assign("training.learning_rate", 0.5, "--set");
  expect_error(caught([&] { open_run(folder / "run", other); }), ExitCode::usage,
               {"training.learning_rate", "0.5"});
  ConfigValues same(run_schema());
  same.assign("training.loading_threads", Index{3}, "--set");
  same.assign("training.checkpoint_every", Index{7}, "--set");
  CHECK(open_run(folder / "run", same).path == run.path);
}

TEST_CASE("a checkpoint appears whole or not at all, and one of another network is refused") {
  const TemporaryFolder folder;
  const auto backend = make_default_backend();
  const RunConfig config = small_config("udct");
  TrainingState state = make_training_state(*backend, config, 3);
  write_checkpoint(folder / "last", state.networks, &state.optimisers, {7, 0.5, 5});
  CHECK(fs::exists(folder / "last/network_2.safetensors"));
  CHECK(folder.files() == 1);
  TrainingState again = make_training_state(
      *backend,
      [&] {
        RunConfig other = config;
        other.training.seed = 9;
        return other;
      }(),
      3);
  CHECK(all_weights(again) != all_weights(state));
  const Progress progress = read_checkpoint(folder / "last", again.networks, &again.optimisers);
  CHECK(progress.iteration == 7);
  CHECK(progress.best_dice == 0.5);
  CHECK(progress.best_iteration == 5);
  CHECK(all_weights(again) == all_weights(state));

  const fs::path file = folder / "last/training.safetensors";
  const std::string whole = contents_of(file), wanted = R"("iteration":"7")";
  std::string spoilt = whole;
  REQUIRE(spoilt.find(wanted) != std::string::npos);
  spoilt.replace(spoilt.find(wanted), wanted.size(), R"("iteration":"-")");
  folder.write("last/training.safetensors", spoilt);
  expect_error(caught([&] { read_checkpoint(folder / "last", again.networks, nullptr); }), ExitCode::data,
               {"training.safetensors", "'iteration'", "a whole number", "'-'"});
  folder.write("last/training.safetensors", whole);

  // To predict, nothing is read of the optimisers' arrays: here 1 TiB of holes.
  SafetensorsFile much = read_safetensors(file);
  much.arrays.clear();
  write_safetensors(file, much);
  std::string header = contents_of(file).substr(8);
  header = text(R"({"much":{"dtype":"U8","shape":[1099511627776],"data_offsets":[0,1099511627776]},)",
                header.substr(1));
  std::uint64_t length = header.size();
  folder.write("last/training.safetensors", std::string(reinterpret_cast<const char*>(&length), 8) + header);
  std::error_code refused;
  fs::resize_file(file, 8 + length + 1099511627776, refused);
  if (refused)
    MESSAGE("skipped: this file system has no file of 1 TiB of holes: " << refused.message());
  else
    CHECK(read_checkpoint(folder / "last", again.networks, nullptr).iteration == 7);
  folder.write("last/training.safetensors", whole);

  RunConfig wide = config;
  wide.model.width = 4;
  TrainingState other = make_training_state(*backend, wide, 3);
  const auto untouched = all_weights(other);
  expect_error(caught([&] { read_checkpoint(folder / "last", other.networks, &other.optimisers); }),
               ExitCode::data, {"network_1.safetensors", "another network", "expected", "found"});
  CHECK(all_weights(other) == untouched);

  // The same in shards: files of no more than a KiB, but for arrays that are larger.
  write_checkpoint(folder / "split", state.networks, &state.optimisers, {7, 0.5, 5}, 1024);
  CHECK(!fs::exists(folder / "split/network_1.safetensors"));
  CHECK(fs::exists(folder / "split/network_1.safetensors.index.json"));
  CHECK(find_checkpoint(folder / "split") == folder / "split");
  TrainingState joined = make_training_state(*backend, config, 3);
  for (auto& network : joined.networks) {
    for (const ParameterPtr& p : network->parameters()) backend->pointwise->fill(p->value.view(), 0.0);
  }
  CHECK(read_checkpoint(folder / "split", joined.networks, &joined.optimisers).iteration == 7);
  CHECK(all_weights(joined) == all_weights(state));
  fs::remove_all(folder / "split");

  // A rename cut off half way leaves the earlier one beside it.
  fs::rename(folder / "last", folder / "last.old");
  CHECK(find_checkpoint(folder / "last") == folder / "last.old");
  // It stays until the next one is there.
  write_checkpoint(folder / "last", state.networks, &state.optimisers, {8, 0.5, 5});
  CHECK(find_checkpoint(folder / "last") == folder / "last");
  CHECK(!fs::exists(folder / "last.old"));
}

TEST_CASE("warm start takes the weights of another run") {
  const TemporaryFolder folder;
  RunConfig config = small_config("supervised");
  config.training.iterations = 2;
  const RunFolder first = create_run(folder / "first"), second = create_run(folder / "second");
  run_all(config, first, false);
  const auto backend = make_default_backend();
  config.training.iterations = 1;
  config.training.schedule.rate = 1e-30;  // too small to move a float
  config.training.optimiser.weight_decay = 0.0;
  train(*backend, ConfigValues(run_schema()), config, second, small_data(config), false,
        {first.last() / "network_1.safetensors"}, {});
  const auto a = read_safetensors(first.last() / "network_1.safetensors");
  const auto b = read_safetensors(second.last() / "network_1.safetensors");
  REQUIRE(a.arrays.size() == b.arrays.size());
  for (std::size_t i = 0; i < a.arrays.size(); ++i) CHECK(a.arrays[i].data == b.arrays[i].data);

  // Killed before its first checkpoint it goes on from the same weights.
  const RunFolder killed = create_run(folder / "killed");
  TrainingEvents events;
  events.stepped = [](Index, const StepReport&, double) { throw std::runtime_error("killed"); };
  const auto start = [&](bool resume, const std::vector<fs::path>& weights) {
    train(*backend, ConfigValues(run_schema()), config, killed, small_data(config), resume, weights, events);
  };
  CHECK_THROWS_AS(start(false, {first.last() / "network_1.safetensors"}), std::runtime_error);
  events.stepped = [](Index, const StepReport&, double) {};
  start(true, {});
  CHECK(read_safetensors(killed.last() / "network_1.safetensors").arrays[0].data == a.arrays[0].data);

  // Where that checkpoint cannot be written there is no run to resume, which would begin with other weights.
  const RunFolder full = create_run(folder / "full");
  folder.write("full/checkpoints", "in the way");
  CHECK(caught([&] {
          train(*backend, ConfigValues(run_schema()), config, full, small_data(config), false,
                {first.last() / "network_1.safetensors"}, {});
        }).code == ExitCode::filesystem);
  CHECK_FALSE(fs::exists(full.config()));
  expect_error(caught([&] { create_run(full.path); }), ExitCode::filesystem, {"holds checkpoints"});
}

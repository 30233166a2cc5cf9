// Whole runs of the method's choices: interrupted and resumed without a trace, what their checkpoints and
// metrics.csv hold, and a pair of two architectures from training to prediction.
#include <sstream>

#include "cotrain/check/selftest.h"
#include "cotrain/predict/trained.h"
#include "cotrain/train/weights_file.h"
#include "tests/cotrain/small_step.h"
#include "tests/io/temporary_folder.h"
#include "tests/support/metrics_text.h"

using namespace duet;
using namespace duet::testing;

namespace {

namespace fs = std::filesystem;
using Sets = std::vector<std::pair<std::string, ConfigValue>>;

ConfigValues with(ConfigValues values, const Sets& sets) {
  for (const auto& [key, value] : sets) values.assign(key, value, "test");
  return values;
}

void run_all(const ConfigValues& values, const RunFolder& run, bool resume, Index stop_after = -1) {
  const auto backend = make_default_backend();
  const RunConfig config = typed(values);
  TrainingEvents events;
  Index done = 0;
  events.stepped = [&](Index iteration, const StepReport&, double) { done = iteration; };
  events.should_stop = [&] { return stop_after >= 0 && done >= stop_after; };
  train(*backend, values, config, run, small_data(config), resume, {}, events);
}

// The fields of a line of metrics.csv by column; line 0 is the header.
std::map<std::string, std::string> row_of(const RunFolder& run, std::size_t line) {
  std::istringstream in(contents_of(run.metrics()));
  std::vector<std::vector<std::string>> rows;
  for (std::string text; std::getline(in, text);) {
    std::vector<std::string> fields(1);
    for (char c : text) {
      if (c == ',') {
        fields.emplace_back();
      } else {
        fields.back() += c;
      }
    }
    rows.push_back(fields);
  }
  std::map<std::string, std::string> row;
  for (std::size_t i = 0; i < rows.at(0).size(); ++i) row[rows[0][i]] = rows.at(line).at(i);
  return row;
}

}  // namespace

TEST_CASE("each choice: 6 iterations equal 3, an interrupt and a resume, byte for byte") {
  const std::string balance = "balance", alternating = "alternating", unet = "unet";
  const std::pair<std::string, Sets> cases[] = {
      {"udct", {{"method.merge", balance}}},
      {"udct", {{"method.merge", std::string("project")}, {"method.lanes", std::string("all")}}},
      {"mean_teacher", {{"method.merge", balance}, {"method.step", alternating}}},
      {"udct", {{"method.step", alternating}, {"model.norm", std::string("batch")}}},
      {"udct", {{"method.target_ema", true}, {"method.warm_up", 0.4}, {"method.confidence_floor", 0.4}}},
      {"udct", {{"model.second_architecture", unet}, {"method.coupling", std::string("coupled")}}},
      {"cps", {{"model.second_architecture", unet}, {"method.confidence_floor", 0.4}}},
      {"udct", {{"method.cutmix", 0.5}, {"method.step", alternating}, {"method.target_dice", true}}},
      {"udct",
       {{"method.cutmix", 1.0}, {"method.warm_up", 0.4}, {"method.coupling", std::string("coupled")}}},
      {"cps", {{"method.cutmix", 1.0}, {"method.target_dice", true}, {"model.norm", std::string("batch")}}},
      {"supervised", {{"training.optimiser", std::string("adamw")}}}};
  for (const auto& [method, sets] : cases) {
    INFO(method, " ", sets[0].first);
    const ConfigValues values = with(small_values(method), sets);
    const TemporaryFolder folder;
    const RunFolder whole = create_run(folder / "whole"), parts = create_run(folder / "parts");
    run_all(values, whole, false);
    CHECK(caught([&] { run_all(values, parts, false, 3); }).code == ExitCode::interrupted);
    run_all(values, open_run(parts.path, values), true);
    CHECK(metrics_without_time(whole.metrics()) == metrics_without_time(parts.metrics()));
    check_same_files(whole.path / "checkpoints", parts.path / "checkpoints");
    CHECK(fs::exists(whole.last() / "teacher_2.safetensors") == (sets[0].first == "method.target_ema"));
  }
}

TEST_CASE("the running norms stand in the checkpoint, bit for bit; one without them still loads") {
  const TemporaryFolder folder;
  const auto backend = make_default_backend();
  TrainingState state = make_training_state(*backend, small_config("udct"), 3);
  Progress progress{7, 0.5, 5, state.balance};
  write_checkpoint(folder / "old", state.networks, &state.optimisers, progress);
  CHECK(contents_of(folder / "old/training.safetensors").find("balance") == std::string::npos);
  for (const LaneBalance& norms : read_checkpoint(folder / "old", state.networks, nullptr).balance)
    CHECK((norms.supervised.count == 0 && norms.unsupervised.count == 0 && norms.supervised.mean == 0));
  progress.balance[0].supervised = {0.1, 7};
  progress.balance[1].unsupervised = {1.0 / 3, 5};
  write_checkpoint(folder / "new", state.networks, &state.optimisers, progress);
  const Progress read = read_checkpoint(folder / "new", state.networks, nullptr);
  REQUIRE(read.balance.size() == 2);
  CHECK((read.balance[0].supervised.mean == 0.1 && read.balance[0].supervised.count == 7));
  CHECK((read.balance[1].unsupervised.mean == 1.0 / 3 && read.balance[1].unsupervised.count == 5));
  CHECK((read.balance[0].unsupervised.count == 0 && read.balance[1].supervised.count == 0));
}

TEST_CASE("metrics.csv keeps its columns; what a step leaves out is an empty field") {
  const TemporaryFolder folder;
  const RunFolder run = create_run(folder / "run");
  run_all(with(small_values("udct"), {{"method.step", std::string("alternating")}}), run, false);
  for (std::size_t line = 1; line <= 6; ++line) {
    INFO("iteration ", line);
    auto row = row_of(run, line);
    const bool labels = line % 2 == 1;  // iteration 1 is step 0
    for (const std::string i : {"1", "2"}) {
      CHECK(row.at("sup_" + i).empty() != labels);
      CHECK(row.at("uns_" + i).empty() == labels);
      CHECK(row.at("lane_norm_sup_" + i).empty() != labels);
      CHECK(row.at("lane_norm_uns_" + i).empty() == labels);
      CHECK(row.at("lane_cosine_" + i).empty());
    }
    CHECK(!row.at("lambda").empty());
    CHECK(row.at("dice_pair_class1").empty() == (line != 6));
  }
}

TEST_CASE("lanes that are not kept are empty fields, too") {
  const TemporaryFolder folder;
  const RunFolder run = create_run(folder / "run");
  run_all(with(small_values("udct"), {{"method.lanes", std::string("none")}}), run, false);
  auto row = row_of(run, 1);
  for (const std::string i : {"1", "2"}) {
    for (const char* column : {"lane_cosine_", "lane_norm_sup_", "lane_norm_uns_"}) {
      CHECK(row.at(column + i).empty());
    }
  }
}

TEST_CASE("a V-Net beside a U-Net: trained, read back, predicting") {
  for (const std::string second : {"same", "vnet", "unet"}) {
    for (const std::string first : {"vnet", "unet"}) {
      const TemporaryFolder folder;
      const auto backend = make_default_backend();
      const ConfigValues values = with(small_values("udct"), {{"model.architecture", first},
                                                              {"model.second_architecture", second},
                                                              {"training.iterations", Index{2}}});
      const RunConfig config = typed(values);
      const std::string expected = second == "same" ? first : second;
      const RunFolder run = create_run(folder / "run");
      const TrainingData data = small_data(config);
      run_all(values, run, false);
      const TrainedNetworks trained = load_trained(*backend, run.path, "last");
      REQUIRE(trained.networks.size() == 2);
      CHECK(trained.networks[0]->config().architecture == first);
      CHECK(trained.networks[1]->config().architecture == expected);
      const auto stored = make_network(*backend, trained.networks[1]->config(), 99, 0);
      read_weights(run.last() / "network_2.safetensors", *stored);
      CHECK(values_of(*stored) == values_of(*trained.networks[1]));
      const ValidationScore score =
          validate(*backend, trained.networks, data.validation, 3, window_config(config));
      CHECK(score.dice.size() == 3);
      if (first == expected) continue;
      // One network's weights are not the other's.
      expect_error(caught([&] { read_weights(run.last() / "network_1.safetensors", *stored); }),
                   ExitCode::data, {"network_1.safetensors", "another network"});
      // And the self-test runs the shapes of both.
      const auto models = network_configs(config);
      const auto both = check_convolutions(*backend, *make_backend("ref"), models, {8, 8, 8}, false);
      const auto one =
          check_convolutions(*backend, *make_backend("ref"), std::span(models).first(1), {8, 8, 8}, false);
      CHECK(both.size() > one.size());
      for (const ConvolutionCheck& check : both) CHECK(check.passed);
    }
  }
}

TEST_CASE("a second architecture says nothing of methods with one network") {
  for (const std::string method : {"supervised", "mean_teacher", "ua_mt"}) {
    const auto models = network_configs(
        typed(with(small_values(method), {{"model.second_architecture", std::string("unet")}})));
    REQUIRE(models.size() == 1);
    CHECK(models[0].architecture == "vnet");
  }
  const auto pair = network_configs(
      typed(with(small_values("supervised"),
                 {{"method.networks", Index{2}}, {"model.second_architecture", std::string("unet")}})));
  REQUIRE(pair.size() == 2);
  CHECK((pair[0].architecture == "vnet" && pair[1].architecture == "unet"));
  CHECK((pair[0].initialisation == Initialisation::kaiming &&
         pair[1].initialisation == Initialisation::xavier));
  const auto errors =
      config_errors(with(small_values("udct"), {{"model.second_architecture", std::string("unet")},
                                                {"data.patch", Triple{16, 18, 16}}}));
  REQUIRE(errors.size() == 1);
  CHECK(errors[0].find("data.patch") != std::string::npos);
}

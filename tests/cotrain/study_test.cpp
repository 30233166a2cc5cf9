// Studies but for the running: the study file, results kept as JSON, curves, tables.
#include <algorithm>
#include <doctest/doctest.h>
#include <sstream>

#include "cotrain/study/assess.h"
#include "cotrain/study/curves.h"
#include "cotrain/study/study_file.h"
#include "cotrain/study/tables.h"
#include "tests/cotrain/study_results.h"
#include "tests/io/temporary_folder.h"
#include "tests/support/metrics_text.h"

using namespace duet;
using namespace duet::testing;

namespace {

const char* const kConfig =
    R"({"data": {"dataset": "d.json", "patch": [16, 16, 16]}, "model": {"depth": 3}})";

std::size_t column_of(const TextTable& table, const std::string& name) {
  for (std::size_t i = 0; i < table.header.size(); ++i) {
    if (table.header[i] == name) return i;
  }
  FAIL("no column " << name);
  return 0;
}

}  // namespace

TEST_CASE("a result names the libraries of its own backend") {
  const std::vector<std::string> versions{"oneDNN 2.6.3 (avx2)", "CUDA 13.0", "cuDNN 9.19.0"};
  CHECK(machine_text("onednn", versions, 1, false) == "onednn, oneDNN 2.6.3 (avx2), 1 thread, f32");
  CHECK(machine_text("cuda", versions, 2, true) == "cuda, CUDA 13.0, cuDNN 9.19.0, 2 threads, bf16");
  CHECK(machine_text("ref", versions, 2, false) == "ref, 2 threads, f32");
}

TEST_CASE("a study is its rows times its seeds, seed by seed; what comes last wins") {
  const TemporaryFolder folder;
  folder.write("c.json", kConfig);
  folder.write("s.json", R"json({"config": "c.json", "set": ["training.iterations=7"], "seeds": [3, 1],
 "reference": "The pair (ours)", "gap": ["plain", "The pair (ours)"],  // a comment
 "rows": [{"name": "The pair (ours)", "set": ["method.name=udct"]},
          {"name": "plain", "set": ["method.name=supervised", "training.iterations=9"]}]})json");
  const Study study = read_study(folder / "s.json");
  CHECK(study.cases == "report");
  CHECK(study.gap_from == "plain");
  const std::vector<StudyRun> runs = study_runs(study, {"model.width=3"});
  REQUIRE(runs.size() == 4);
  CHECK(runs[0].name == "the-pair-ours_seed_3");
  CHECK(runs[1].name == "plain_seed_3");
  CHECK(runs[2].name == "the-pair-ours_seed_1");
  CHECK(runs[0].config.training.iterations == 7);
  CHECK(runs[1].config.training.iterations == 9);
  CHECK(runs[1].config.method.name == "supervised");
  CHECK(runs[3].config.model.width == 3);
  CHECK(runs[3].config.training.seed == 1);
}

TEST_CASE("a study of the best weights needs validation cases") {
  const TemporaryFolder folder;
  folder.write("c.json", kConfig);
  folder.write("s.json", R"({"config": "c.json", "seeds": [1], "checkpoint": "best",
 "rows": [{"name": "a", "set": ["data.validation=0"]}]})");
  const Caught error = caught([&] { study_runs(read_study(folder / "s.json"), {}); });
  CHECK(error.code == ExitCode::usage);
  CHECK(error.message.find("data.validation: expected at least 1") != std::string::npos);
}

TEST_CASE("a faulty study file: file, line, column, what was expected") {
  const TemporaryFolder folder;
  folder.write("c.json", kConfig);
  struct Fault {
    const char *text, *message;
  };
  const Fault faults[] = {
      {"[1]", "1:1: expected an object"},
      {R"({"seeds": [1], "rows": [{"name": "a"}]})", "expected \"config\""},
      {R"({"config": "c.json", "rows": [{"name": "a"}]})", "expected \"seeds\""},
      {R"({"config": "c.json", "seeds": [1]})", "expected \"rows\""},
      {R"({"config": "c.json", "seeds": [1], "rows": []})", "expected \"rows\" with at least one"},
      {R"({"config": "c.json", "seeds": [1, 1], "rows": [{"name": "a"}]})",
       "1:35: seed 1 stands there twice"},
      {R"({"config": "c.json", "seeds": [-1], "rows": [{"name": "a"}]})", "expected a whole number"},
      {R"({"config": "c.json", "seeds": [1], "rows": [{"name": "a"}, {"name": "A!"}]})", "another row"},
      {R"({"config": "c.json", "seeds": [1], "rows": [{"name": "--"}]})", "needs a letter or a digit"},
      {R"({"config": "c.json", "seeds": [1], "rows": [{"nam": "a"}]})", "unknown key \"nam\""},
      {R"({"config": "c.json", "seed": [1], "rows": [{"name": "a"}]})", "unknown key \"seed\""},
      {R"({"config": "c.json", "seeds": [1], "rows": [{"name": "a"}], "reference": "b"})",
       "expected a row's name, found \"b\""},
      {R"({"config": "c.json", "seeds": [1], "rows": [{"name": "a"}], "gap": ["a"]})", "two rows' names"},
      {R"({"config": "c.json", "seeds": [1], "rows": [{"name": "a"}], "cases": "test"})",
       "expected report or validation"},
  };
  for (const Fault& fault : faults) {
    folder.write("s.json", fault.text);
    const Caught error = caught([&] { read_study(folder / "s.json"); });
    INFO(fault.text << " -> " << error.message);
    CHECK(error.code == ExitCode::usage);
    CHECK(error.message.find(fault.message) != std::string::npos);
    CHECK(error.message.find("s.json") != std::string::npos);
  }
  folder.write("s.json", R"({"config": "c.json", "seeds": [1, 2], "rows": [{"name": "fine"},
    {"name": "bad", "set": ["method.nam=udct"]}]})");
  const Caught error = caught([&] { study_runs(read_study(folder / "s.json"), {}); });
  CHECK(error.code == ExitCode::usage);
  CHECK(error.message.find("row bad: ") == 0);
  CHECK(error.message.find("row bad: ", 1) == std::string::npos);  // once, not for each seed

  // What only a later seed has.
  folder.write("s.json", R"({"config": "c.json", "seeds": [1, 10000000000000000], "rows": [{"name": "a"}]})");
  const Caught late = caught([&] { study_runs(read_study(folder / "s.json"), {}); });
  CHECK(late.code == ExitCode::usage);
  CHECK(late.message.find("training.seed") != std::string::npos);
}

TEST_CASE("a result is read back as it was written, and refused where something is not what it should be") {
  const TemporaryFolder folder;
  const RunResult made = made_result("row | <a>", 7, {0.5, 0.25}, true);
  write_result(folder / "r.json", made);
  const RunResult read = read_result(folder / "r.json");
  write_result(folder / "again.json", read);
  CHECK(contents_of(folder / "r.json") == contents_of(folder / "again.json"));
  CHECK(read.row == made.row);
  CHECK(read.checkpoint == "last");
  CHECK(read.cases[1].metrics[0][1].dice.value() == doctest::Approx(0.15));
  CHECK_FALSE(read.cases[1].metrics[0][1].assd.has_value());
  CHECK(read.cases[1].files == "image-label");
  CHECK(read.calibration.bins[14].correct == 90);
  CHECK(read.curves[1].y[1] == doctest::Approx(1e-7));
  CHECK(mean_dice(read, 2).value() == doctest::Approx(0.375));
  const std::string whole = contents_of(folder / "r.json");
  const std::pair<const char*, const char*> damage[] = {
      {"\"predictors\":[\"network 1\",\"network 2\",\"pair\"]", "\"predictors\":[\"network 1\"]"},
      {"\"seconds\":90.5", "\"seconds\":\"90\""},
      {"\"iterations\":40", "\"iterations\":-1"},
      {"\"x\":[10.0,20.0]", "\"x\":[10.0]"},
      {"\"row\":", "\"raw\":"},
      {"\"config\":{", "\"config\":7,\"was\":{"},
      {"\"data\":{\"labelled\":3}", "\"data\":5"},
      {"[0.5,0.333333,2.0,0.5,null]", "[0.5]"},
      {"[0.5,0.333333,2.0,0.5,null]", "[50,0.333333,2.0,0.5,null]"},
      {"[0.5,0.333333,2.0,0.5,null]", "[0.5,0.333333,-2.0,0.5,null]"},
      {"\"error_auc\":0.75", "\"error_auc\":1.75"},
      {"\"correct\":90", "\"correct\":101"},
      {"\"voxels\":100", "\"voxels\":9223372036854775807"},
      {"\"id\":\"case_1\"", "\"id\":\"case_0\""},
      {"\"x_best.png\"", "\"/x_best.png\""},
      {"\"x_best.png\"", "\"../x_best.png\""},
      {"\"x_best.png\"", "\"..\""}};
  for (const auto& [from, to] : damage) {
    std::string spoilt = whole;
    const std::size_t at = spoilt.find(from);
    INFO(from);
    REQUIRE(at != std::string::npos);
    spoilt.replace(at, std::string(from).size(), to);
    folder.write("bad.json", spoilt);
    const Caught error = caught([&] { read_result(folder / "bad.json"); });
    CHECK(error.code == ExitCode::data);
    CHECK(error.message.find("bad.json:1:") != std::string::npos);
  }
}

TEST_CASE("curves: validations by predictor, the rest in groups; steps' seconds summed") {
  const TemporaryFolder folder;
  std::ostringstream log;
  log << "iteration,seconds,sup_1,lambda,lane_cosine_1,dice_net1_class1,dice_net1_class2,dice_pair_class1,"
         "dice_pair_class2\n";
  for (int i = 1; i <= 200; ++i) {
    log << i << ",0.5," << i << ",0.25,,";
    log << (i % 100 == 0 ? "0.2,0.4,0.5,\n" : ",,,\n");
  }
  folder.write("metrics.csv", log.str());
  const RunCurves found = read_curves(folder / "metrics.csv");
  CHECK(found.iterations == 200);
  CHECK(found.seconds == doctest::Approx(100));
  REQUIRE(found.curves.size() == 4);  // the cosine has no value anywhere
  CHECK(found.curves[0].name == "loss sup_1");
  REQUIRE(found.curves[0].x.size() == 100);
  CHECK(found.curves[0].x[0] == 2);
  CHECK(found.curves[0].y[0] == doctest::Approx(1.5));
  CHECK(found.curves[1].name == "lambda");
  CHECK(found.curves[2].name == "dice network 1");
  CHECK(found.curves[2].x == std::vector<double>{100, 200});
  CHECK(found.curves[2].y[1] == doctest::Approx(0.3));
  CHECK(found.curves[3].name == "dice pair");
  CHECK(found.curves[3].y[0] == doctest::Approx(0.5));
  folder.write("metrics.csv", "iteration,seconds,sup_1\n1,0.5,x\n");
  CHECK(caught([&] { read_curves(folder / "metrics.csv"); }).message.find(":2: expected a number") !=
        std::string::npos);
}

TEST_CASE("the summary: mean and deviation over seeds, paired differences, the gap") {
  const std::vector<RunResult> results{
      made_result("ours", 1, {0.8, 0.9}, true), made_result("ours", 2, {0.7, 0.8}, true),
      made_result("plain", 1, {0.7, 0.8}, false), made_result("plain", 2, {0.6, 0.7}, false),
      made_result("all", 1, {0.9, 1.0}, false)};
  const TextTable table = summary_table(results, {"ours", "plain", "all"});
  REQUIRE(table.rows.size() == 5);  // three predictors of the pair, one of each other row
  const auto cell = [&](std::size_t row, const char* column) {
    return table.rows[row][column_of(table, column)];
  };
  CHECK(cell(2, "predictor") == "pair");
  CHECK(cell(2, "mean Dice") == "0.800 ± 0.071");
  CHECK(cell(0, "mean Dice") == "0.700 ± 0.071");
  CHECK(cell(4, "mean Dice") == "0.950");
  CHECK(cell(2, "difference to ours") == "");
  CHECK(cell(0, "difference to ours") == "");
  // Networks alone: those of ours lie 0.1 below the pair.
  CHECK(cell(3, "difference to ours") == "-0.100 [-0.100, -0.100]; alone +0.000 [+0.000, +0.000]");
  // Of seed 1, which both have.
  CHECK(cell(4, "difference to ours") == "+0.100 [+0.100, +0.100]; alone +0.200 [+0.200, +0.200]");
  // Of seed 1, which all have: (0.85 - 0.75) / (0.95 - 0.75), and each case by itself, too.
  CHECK(cell(2, "gap closed") == "50 % [50, 50]");
  CHECK(cell(0, "gap closed") == "0 % [0, 0]; mean of networks 0 % [0, 0]");
  CHECK(cell(1, "gap closed") == "0 % [0, 0]");
  CHECK(cell(3, "gap closed") == "0 %");
  CHECK(cell(4, "gap closed") == "100 %");
  CHECK(std::ranges::any_of(table.notes, [](const std::string& note) {
    return note.find("2 seeds show 1/2 of their variance") != std::string::npos;
  }));
  // Single networks against single networks: 0.75 between 0.65 and 0.85.
  const std::vector<RunResult> pairs{made_result("from", 1, {0.7, 0.8}, true), results[0],
                                     made_result("to", 1, {0.9, 1.0}, true),
                                     made_result("one", 1, {0.65, 0.75}, false)};
  const TextTable own = summary_table(pairs, {"", "from", "to"});
  CHECK(own.rows[3][column_of(own, "gap closed")] ==
        "0 % [0, 0]; mean of networks 0 % [0, 0], of single networks' gap 50 % [50, 50]");
  CHECK(own.rows[9][column_of(own, "gap closed")] ==
        "-25 % [-25, -25], of single networks' gap 25 % [25, 25]");
  CHECK(own.rows[0][column_of(own, "gap closed")] == "-50 % [-50, -50]; mean of networks -50 % [-50, -50]");
  // Just below the lower end: no "-0 %".
  const std::vector<RunResult> near{results[2], results[4], made_result("close", 1, {0.6999, 0.8}, false)};
  const TextTable close = summary_table(near, {"plain", "plain", "all"});
  CHECK(close.rows[2][column_of(close, "gap closed")] == "0 % [0, 0]");
  CHECK(close.rows[2][column_of(close, "difference to plain")] == "+0.000 [+0.000, +0.000]");
  // Half of the draws of two cases are both the same one, of which the second has no gap.
  const std::vector<RunResult> unsure{results[2], made_result("all", 1, {0.9, 0.8}, false),
                                      made_result("some", 1, {0.75, 0.8}, false)};
  const TextTable unbound = summary_table(unsure, {"", "plain", "all"});
  CHECK(unbound.rows[2][column_of(unbound, "gap closed")] == "25 % [no bounds]");
  const TextTable no_gap = summary_table(unsure, {"", "all", "plain"});
  CHECK(no_gap.rows[2][column_of(no_gap, "gap closed")] == "-");
  // A prediction without a class has no distances; the notes say how many.
  RunResult lacking = results[2];
  lacking.cases[0].metrics[0][1].hd95.reset();
  lacking.cases[0].metrics[0][1].asd.reset();
  const TextTable incomplete = summary_table(std::vector{lacking}, {});
  CHECK(std::ranges::any_of(incomplete.notes, [](const std::string& note) {
    return note.find("plain, network 1: 1 of 4.") != std::string::npos;
  }));
  CHECK(std::ranges::none_of(table.notes, [](const std::string& note) {
    return note.find("left out of the means") != std::string::npos;
  }));
  CHECK(cell(2, "ECE") == "0.0500 ± 0.0000");
  CHECK(cell(2, "parameters") == "1234");
  CHECK(cell(2, "time") == "90 s");
  CHECK(cell(0, "time") == "");

  const std::string markdown = as_markdown(table), html = as_html(table), csv = results_csv(results);
  CHECK(markdown.find("| row | labels | predictor | Dice outer |") == 0);
  CHECK(html.find("<td>0.800 ± 0.071</td>") != std::string::npos);
  CHECK(html.find("inner, &quot;of it&quot;") != std::string::npos);
  // 2 runs of 3 predictors and 3 of 1, 2 cases, 2 classes, and the header.
  CHECK(std::count(csv.begin(), csv.end(), '\n') == 1 + (2 * 3 + 3) * 4);
  CHECK(csv.find("ours,1,pair,case_0,outer,0.8,0.666667,2,0.5,,0.75\n") != std::string::npos);
  CHECK(csv.find("\"inner, \"\"of it\"\"\"") != std::string::npos);
  CHECK(as_markdown(summary_table({}, {})) == "No run is finished yet.\n");
}

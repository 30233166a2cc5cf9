// The page of a study: its sections, well-formed, nothing from outside unescaped, no number that a browser
// cannot read.
#include <doctest/doctest.h>
#include <limits>

#include "cotrain/report/page.h"
#include "tests/cotrain/report_checks.h"
#include "tests/cotrain/report_runs.h"

using namespace duet;
using namespace duet::testing;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
const std::vector<std::string> kHeadings = {"Summary",
                                            "Learning curves",
                                            "Gradients of the two tasks",
                                            "Can the probabilities be believed?",
                                            "Does the uncertainty map find the errors?",
                                            "Dice of each predictor",
                                            "Best, median and worst case"};

}  // namespace

TEST_CASE("the check of pages catches what it should") {
  CHECK(malformed("<html a=\"1\"><p>x &amp; y</p><br/></html>") == "");
  for (const char* bad :
       {"<html><p></html></p>", "<html><p>", "<html>a & b</html>", "<html>1 < 2</html>",
        "<html><p a=1></p></html>", "<html><p a=\"1\" a=\"1\"></p></html>", "<html><p a=\"<\"></p></html>",
        "<html><line x=\"nan\"/></html>", "<html><line x=\"1,5 -\"/></html>",
        "<html><line x=\"inf\"/></html>", "<html><line x=\"\"/></html>", "<html></p></html>"}) {
    INFO(bad);
    CHECK(malformed(bad) != "");
  }
}

TEST_CASE("the page of a study has every section, in order, and is well-formed") {
  const TemporaryFolder folder;
  const std::string page = html_page(made_up_study(folder));
  CHECK(malformed(page) == "");
  std::size_t last = 0;
  for (const std::string& heading : kHeadings) {
    INFO(heading);
    const std::size_t at = page.find("<h2>" + heading + "</h2>");
    REQUIRE(at != std::string::npos);
    CHECK(at > last);
    last = at;
  }
  CHECK_FALSE(has(page, "<h2>Loss terms</h2>"));  // of one run only
  CHECK(count_of("role=\"img\"", page) == 7);  // Dice, cosine and norm of two networks, reliability, left out
  CHECK(count_of("<img ", page) == 6);         // of each row's first seed
  CHECK(count_of("alt=\"", page) == 6);
  CHECK(has(page, "best: case hippocampus_123, Dice 0.912"));
  CHECK(has(page, "few labels, co-training (ECE 0.0200)"));
  CHECK(has(page, "few labels (AUC 0.930)"));
  CHECK_FALSE(has(page, "<script"));
  CHECK_FALSE(has(page, "http:"));
  CHECK_FALSE(has(page, "https:"));
  CHECK(html_page(made_up_study(folder)) == page);
}

TEST_CASE("tables hold the mean Dice of each predictor, seed by seed") {
  const TemporaryFolder folder;
  const std::string page = html_page(made_up_study(folder));
  for (const char* seed : {"1", "2"}) {
    for (const char* line : {"network 1</td><td>0.830</td><td>0.780</td><td>0.805", "network 2</td><td>0.840",
                             "pair</td><td>0.850</td><td>0.800</td><td>0.825"}) {
      INFO(line);
      CHECK(has(page, text("<td class=\"name\">", seed, "</td><td class=\"name\">", line)));
    }
  }
  CHECK(has(
      page,
      "udct, 1000 iterations on 10 labelled and 118 unlabelled cases, 3.12 M parameters, 5 min, 812 MiB"));
}

TEST_CASE("one run has its loss terms, and no mean of seeds") {
  const TemporaryFolder folder;
  PageInput input{"RUN", "", folder.path(), {made_up_run("RUN", 1, true)}};
  const std::string page = html_page(input);
  CHECK(malformed(page) == "");
  CHECK(has(page, "<h2>Loss terms</h2>"));
  for (const char* term : {">sup_1<", ">uns_1<", ">uns_2<"}) CHECK(has(page, term));
  CHECK_FALSE(has(page, "<h2>Summary</h2>"));
  CHECK_FALSE(has(page, "thick line"));
}

TEST_CASE("what comes from outside is escaped") {
  const TemporaryFolder folder;
  const std::string evil = "<script>alert(\"1\" & '2')</script>",
                    safe = "&lt;script&gt;alert(&quot;1&quot; &amp; ";
  RunResult run = made_up_run(evil, 1, true);
  add_pictures(run, folder);
  run.pictures[0].case_id = run.pictures[0].kind = run.method = run.machine = run.set = evil;
  run.pictures[1].file = "not there \"><script>.png";
  run.classes[1] = run.predictors[1] = run.predictors[2] = run.cases[0].id = evil;
  run.curves.push_back(made_up_curve("dice " + evil, 0.1, 0.8, 0));
  run.curves.push_back(made_up_curve("loss " + evil, 0.1, 0.8, 0));
  const std::string page = html_page({evil + std::string("\x01", 1), "", folder.path(), {run}});
  CHECK(malformed(page) == "");
  CHECK_FALSE(has(page, "<script"));
  CHECK(count_of(safe, page) > 8);
  CHECK(has(page, "not there &quot;&gt;&lt;script&gt;.png is not there."));
  CHECK_FALSE(has(page, "\x01"));
}

TEST_CASE("a picture that is not there is named, one that cannot be read is an error") {
  const TemporaryFolder folder;
  RunResult run = made_up_run("row", 1, false);
  add_pictures(run, folder);
  std::filesystem::remove(folder / run.pictures[1].file);
  PageInput input{"title", "", folder.path(), {run}};
  const std::string page = html_page(input);
  CHECK(malformed(page) == "");
  CHECK(count_of("<img ", page) == 2);
  CHECK(has(page, "The picture supervised1_median.png is not there."));
  CHECK(has(page, "median: case hippocampus_122, Dice 0.812"));

  folder.write("passwords.txt", "secret");  // a page shows pictures, whatever a result's file names
  input.runs[0].pictures[1].file = "passwords.txt";
  expect_error(caught([&] { html_page(input); }), ExitCode::filesystem, {"passwords.txt", "PNG"});
  std::filesystem::create_directories(folder / "folder.png");
  input.runs[0].pictures[1].file = "folder.png";
  expect_error(caught([&] { html_page(input); }), ExitCode::filesystem, {"folder.png"});
}

TEST_CASE("what there is nothing of has no section") {
  const std::string empty = html_page({"nothing", "", {}, {}});
  CHECK(malformed(empty) == "");
  CHECK_FALSE(has(empty, "<h2>"));

  RunResult bare;  // not even classes
  bare.row = "row";
  const std::string nothing = html_page({"nothing", "", {}, {bare}});
  CHECK(malformed(nothing) == "");
  CHECK_FALSE(has(nothing, "<h2>"));

  RunResult run = made_up_run("row", 1, true);
  run.curves.clear();
  run.calibration = {};
  for (CaseResult& from : run.cases) from.kept_dice.clear(), from.error_auc.reset();
  const std::string page = html_page({"no curves", "", {}, {run, bare}});
  CHECK(malformed(page) == "");
  CHECK(count_of("<h2>", page) == 1);
  CHECK(has(page, "<h2>Dice of each predictor</h2>"));
}

TEST_CASE("values that are not finite break lines and reach no attribute") {
  const TemporaryFolder folder;
  PageInput input = made_up_study(folder);
  for (RunResult& run : input.runs) {
    for (Curve& curve : run.curves) {
      curve.y[3] = kNan, curve.y[10] = kInfinity, curve.y[11] = -kInfinity, curve.y[20] = 1e300;
      curve.x[30] = kNan;
      curve.y.pop_back();
    }
    run.cases[1].metrics[0][0].dice = kNan;
    run.cases[2].metrics[0][1].dice.reset();
    run.cases[2].kept_dice[1][0] = kNan;
    run.cases[3].error_auc = kInfinity;
    run.seconds = kNan;
    run.peak_mib = kInfinity;
  }
  input.runs[0].pictures[0].dice = kNan;
  const std::string page = html_page(input);
  CHECK(malformed(page) == "");
}

TEST_CASE("a mean over seeds stops where a seed does") {
  RunResult first = made_up_run("row", 1, false), second = first;
  first.curves = {{"dice network 1", {1, 2, 3}, {0.2, 0.4, 0.6}}};
  second.curves = {{"dice network 1", {1, 2}, {0.4, 0.6}}};
  first.calibration = second.calibration = {};
  first.cases.clear(), second.cases.clear();
  const std::string page = html_page({"two seeds", "", {}, {first, second}});
  const std::string thick = "stroke-width=\"2.5\" points=\"";
  const std::size_t from = page.find(thick);
  REQUIRE(from != std::string::npos);
  const std::size_t start = from + thick.size();
  CHECK(count_of(" ", page.substr(start, page.find('"', start) - start)) == 1);  // two points
}

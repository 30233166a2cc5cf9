// Studies as a person runs them: killed at any moment they go on, and their results are those of an
// uninterrupted one; results move to another folder; a changed study is refused; one run has a page, too.
#include <nlohmann/json.hpp>

#include "tests/tools/run_duet.h"

using namespace duet;
using namespace duet::testing;

namespace {

namespace fs = std::filesystem;

struct Setting {
  TemporaryFolder folder;
  std::string study;  // the command but for --out

  Setting() {
    const std::string d = folder.path().string();
    REQUIRE(run_duet("@duet phantom --out " + d + "/data --cases 9 --unlabelled 0 --test 0 --size 20 20 20")
                .code == 0);
    folder.write("c.json", R"({"data": {"labelled": 3, "validation": 2, "report": 2, "patch": [16, 16, 16]},
 "model": {"width": 2, "depth": 2}, "method": {"samples": 2}, "inference": {"samples": 2},
 "training": {"iterations": 16, "validate_every": 8, "checkpoint_every": 3}})");
    folder.write("s.json",
                 R"({"config": "c.json", "seeds": [1, 2], "reference": "pair", "gap": ["alone", "pair"],
 "rows": [{"name": "alone", "set": ["method.name=supervised"]}, {"name": "pair"}]})");
    study = "@duet study " + d + "/s.json --set data.dataset=" + d + "/data/dataset.json --out " + d;
  }
};

void check_same_weights(const fs::path& one, const fs::path& other) {
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(one / "runs")) {
    if (entry.path().extension() != ".safetensors") continue;
    const fs::path same = other / fs::relative(entry.path(), one);
    INFO(same.string());
    CHECK(contents_of(entry.path()) == contents_of(same));
    ++files;
  }
  CHECK(files >= 4 * 4);  // networks and optimisers of `best` and `last` of four runs
}

}  // namespace

TEST_CASE("a study killed again and again ends as one that was left alone") {
  const Setting setting;
  const Ran whole = run_duet(setting.study + "/whole");
  INFO(whole.output);
  REQUIRE(whole.code == 0);
  CHECK(whole.output.find("| alone | 3 | network 1 |") != std::string::npos);
  CHECK(whole.output.find("[4/4] pair, seed 2") != std::string::npos);
  // Backend, library with its version, threads, precision.
  CHECK(whole.output.find("Ran on: ") != std::string::npos);
  CHECK(whole.output.find(", f32.") != std::string::npos);

  // Killed (nothing is saved on the way out) after 0.3, 0.6, ... s, at most eight times, then left alone.
  const Ran parts = run_duet("for s in 0.3 0.6 0.9 1.2 1.5 1.8 2.1 2.4; do timeout -s KILL $s " +
                             setting.study + "/parts; done; " + setting.study + "/parts");
  INFO(parts.output);
  REQUIRE(parts.code == 0);
  const fs::path a = setting.folder / "whole", b = setting.folder / "parts";
  CHECK(contents_of(a / "study.csv") == contents_of(b / "study.csv"));
  check_same_weights(a, b);
  CHECK(fs::exists(b / "study.html"));
  CHECK(fs::exists(b / "results/pair_seed_2_worst.png"));

  // A run's memory is its own: nothing of the run before counts.
  const auto peak_of = [&](const std::string& run) {
    return nlohmann::json::parse(contents_of(a / "results" / run)).at("peak_mib").get<double>();
  };
  for (const std::string row : {"alone", "pair"})
    CHECK(peak_of(row + "_seed_2.json") == peak_of(row + "_seed_1.json"));

  // The results alone are enough to go on with, and a run whose result is missing is made again.
  fs::create_directories(setting.folder / "moved");
  fs::copy(a / "results", setting.folder / "moved/results");
  fs::remove(setting.folder / "moved/results/pair_seed_1.json");
  const Ran moved = run_duet(setting.study + "/moved");
  INFO(moved.output);
  CHECK(moved.code == 0);
  CHECK(moved.output.find("3 of 4 runs are done already") != std::string::npos);
  CHECK(contents_of(a / "study.csv") == contents_of(setting.folder / "moved/study.csv"));

  // A row spelt anew is the same row, and still what others are held against.
  const std::string study_file = contents_of(setting.folder / "s.json");
  std::string spelt = study_file;
  for (std::size_t at = 0; (at = spelt.find("\"pair\"", at)) != std::string::npos;)
    spelt.replace(at, 6, "\"Pair\"");
  setting.folder.write("s.json", spelt);
  const Ran renamed = run_duet(setting.study + "/moved");
  CHECK(renamed.code == 0);
  CHECK(renamed.output.find("| difference to Pair |") != std::string::npos);
  CHECK(renamed.output.find("| Pair | 3 |") != std::string::npos);
  CHECK(renamed.output.find("; alone ") != std::string::npos);
  setting.folder.write("s.json", study_file);

  // Other images under the same names are no part of the same comparison.
  const std::string d = setting.folder.path().string();
  REQUIRE(run_duet("@duet phantom --seed 9 --out " + d +
                   "/other --cases 9 --unlabelled 0 --test 0 --size 20 20 20")
              .code == 0);
  fs::remove(setting.folder / "moved/results/pair_seed_2.json");
  const Ran mixed = run_duet(setting.study + "/moved --set data.dataset=" + d + "/other/dataset.json");
  INFO(mixed.output);
  CHECK(mixed.code == 3);
  CHECK(mixed.output.find("is not the image and label that other results of this study") !=
        std::string::npos);

  const Ran changed = run_duet(setting.study + "/whole --set training.learning_rate=0.02");
  CHECK(changed.code == 2);
  CHECK(changed.output.find("training.learning_rate: run 0.01, now 0.02") != std::string::npos);

  // A result of before validation and report cases had a seed of their own is of other cases.
  const fs::path file = setting.folder / "moved/results/pair_seed_1.json";
  std::string result = contents_of(file);
  const std::string key = "\"split_seed\":1,";
  REQUIRE(result.find(key) != std::string::npos);
  result.erase(result.find(key), key.size());
  std::ofstream(file) << result;
  const Ran earlier = run_duet(setting.study + "/moved");
  CHECK(earlier.code == 2);
  CHECK(earlier.output.find("expected a result whose config has data.split_seed") != std::string::npos);

  // Predictors that the row's config does not have, all else being in keeping.
  const std::string sound = contents_of(a / "results/alone_seed_1.json");
  const auto refused = [&](const std::string& from, const std::string& to, int code, const char* said) {
    std::string spoilt = sound;
    REQUIRE(spoilt.find(from) != std::string::npos);
    spoilt.replace(spoilt.find(from), from.size(), to);
    setting.folder.write("whole/results/alone_seed_1.json", spoilt);
    const Ran ran = run_duet(setting.study + "/whole");
    INFO(ran.output);
    CHECK(ran.code == code);
    CHECK(ran.output.find(said) != std::string::npos);
    CHECK(ran.output.find("alone_seed_1.json") != std::string::npos);
  };
  refused("\"predictors\":[\"network 1\"]", "\"predictors\":[\"pair\"]", 2,
          "expected a result of predictors network 1, found pair");
  refused("\"seed\":1,", "\"seed\":2,", 2, "expected a result of seed 1, found 2");
  // A config of another version, with a key that this one does not know.
  refused("\"method\":{", "\"method\":{\"charm\":0.5,", 2, "method.charm: run 0.5, now none");
  setting.folder.write("whole/results/alone_seed_1.json", sound);

  // A data set that grew has other report cases.
  REQUIRE(run_duet("@duet phantom --out " + d + "/grown --cases 20 --unlabelled 0 --test 0 --size 20 20 20")
              .code == 0);
  fs::create_directories(setting.folder / "grown_study");
  fs::copy(a / "results", setting.folder / "grown_study/results", fs::copy_options::recursive);
  fs::remove(setting.folder / "grown_study/results/pair_seed_2.json");
  const Ran grown = run_duet(setting.study + "/grown_study --set data.dataset=" + d + "/grown/dataset.json");
  INFO(grown.output);
  CHECK(grown.code == 3);
  CHECK(grown.output.find("expected the 2 cases of alone_seed_1.json, found 2, among them ") !=
        std::string::npos);
  CHECK_FALSE(fs::exists(setting.folder / "grown_study/results/pair_seed_2.json"));

  // Another way of measuring is another study.
  std::string text = contents_of(setting.folder / "s.json");
  text.insert(1, "\"cases\": \"validation\", ");
  setting.folder.write("s.json", text);
  const Ran other = run_duet(setting.study + "/whole");
  CHECK(other.code == 2);
  CHECK(other.output.find("expected a result of cases validation, found report") != std::string::npos);

  const std::string run = (a / "runs/pair_seed_1").string();
  const Ran report = run_duet("@duet report " + run +
                              " --cases validation --passes 1 2 --pass-cases 1 --out " + run + "/page");
  INFO(report.output);
  CHECK(report.code == 0);
  const std::string page = contents_of(a / "runs/pair_seed_1/page/report.html");
  CHECK(page.find("<svg") != std::string::npos);
  CHECK(page.find("<h2>Uncertainty against the number of passes</h2>") != std::string::npos);
  for (const char* row : {"\n| 1 |", "\n| 2 |", "\n| 64 |"})
    CHECK(report.output.find(row) != std::string::npos);
  CHECK(run_duet("@duet report " + run + "/none").code == 4);
}

TEST_CASE("processes that share a study: each run once, and the table of one that was alone") {
  const Setting setting;
  REQUIRE(run_duet(setting.study + "/whole").code == 0);
  const std::string d = setting.folder.path().string(), shared = setting.study + "/shared";
  // One is killed at work: another takes its run up.
  const Ran ran = run_duet("timeout -s KILL 0.3 " + shared + " >/dev/null & (" + shared + " >" + d +
                           "/a.txt 2>&1; echo $? >" + d + "/a.code) & (" + shared + " >" + d +
                           "/b.txt 2>&1; echo $? >" + d + "/b.code) & wait");
  INFO(ran.output);
  const std::string first = contents_of(setting.folder / "a.txt"),
                    second = contents_of(setting.folder / "b.txt");
  INFO(first, "\n", second);
  CHECK(contents_of(setting.folder / "a.code") == "0\n");
  CHECK(contents_of(setting.folder / "b.code") == "0\n");
  for (const char* run : {"[1/4]", "[2/4]", "[3/4]", "[4/4]"}) {
    const auto begun = [&](const std::string& text) {
      return text.find(std::string("\n") + run) != std::string::npos || text.rfind(run, 0) == 0;
    };
    INFO(run);
    CHECK_FALSE((begun(first) && begun(second)));
  }
  CHECK(run_duet(shared).code == 0);  // where the killed one was the last to work
  CHECK(contents_of(setting.folder / "whole/study.csv") == contents_of(setting.folder / "shared/study.csv"));
  check_same_weights(setting.folder / "whole", setting.folder / "shared");
}

TEST_CASE("a run that cannot be finished stops no other, and is told at the end") {
  const Setting setting;
  std::string text = contents_of(setting.folder / "s.json");
  const std::string rows = "\"rows\": [";
  text.replace(
      text.find(rows), rows.size(),
      rows +
          R"({"name": "wild", "set": ["training.learning_rate=100", "training.weight_decay=1", "training.iterations=40", "training.schedule=constant"]}, )");
  setting.folder.write("s.json", text);
  const Ran ran = run_duet(setting.study + "/out");
  INFO(ran.output);
  CHECK(ran.code == 5);
  CHECK(ran.output.find("wild_seed_1: iteration ") != std::string::npos);
  CHECK(ran.output.find("duet: 2 of 6 runs failed, the first of them wild_seed_1: ") != std::string::npos);
  for (const char* run : {"alone_seed_1", "pair_seed_1", "alone_seed_2", "pair_seed_2"})
    CHECK(fs::exists(setting.folder / "out/results" / (std::string(run) + ".json")));
  CHECK(contents_of(setting.folder / "out/study.md").find("| pair | 3 |") != std::string::npos);
}

TEST_CASE("Ctrl-C on a study: saved, 130, and on it goes") {
  const Setting setting;
  const std::string log = setting.folder.path().string() + "/cut/runs/alone_seed_1/metrics.csv";
  const Ran cut = run_duet(setting.study + "/cut & child=$!; for i in $(seq 3000); do [ -s " + log +
                           " ] && break; sleep 0.02; done; kill -INT $child; wait $child");
  INFO(cut.output);
  CHECK(cut.code == 130);
  CHECK(cut.output.find("the same command goes on") != std::string::npos);
  const Ran on = run_duet(setting.study + "/cut");
  INFO(on.output);
  CHECK(on.code == 0);
}

TEST_CASE("a run of as many classes as there can be has a report") {
  const Setting setting;
  const std::string d = setting.folder.path().string();
  std::string dataset = contents_of(setting.folder / "data/dataset.json"), labels = "\"2\": \"inner\"";
  const std::size_t at = dataset.find(labels);
  REQUIRE(at != std::string::npos);
  std::string more;
  for (int c = 3; c < 256; ++c) more += text(", \"", c, "\": \"class ", c, "\"");
  dataset.insert(at + labels.size(), more);
  setting.folder.write("data/dataset.json", dataset);
  const Ran ran =
      run_duet("@duet train --config " + d + "/c.json --set data.dataset=" + d +
               "/data/dataset.json --set training.iterations=1 --set method.name=supervised --out " + d +
               "/run && @duet report " + d + "/run");
  INFO(ran.output);
  CHECK(ran.code == 0);
}

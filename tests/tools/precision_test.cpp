// bf16 where the processor has it, f32 with one message where it does not: the same bits as f32 asked for, in
// training, resuming, prediction, the dry run and the bench. And that --resume takes keys that change no
// result.
#include <nlohmann/json.hpp>

#include "engine/backend/table.h"
#include "tests/tools/run_duet.h"

using namespace duet;
using namespace duet::testing;

namespace {

namespace fs = std::filesystem;

struct Run {
  TemporaryFolder folder;
  std::string d = folder.path().string();

  Run() {
    expect_done("@duet phantom --out " + d + "/data --cases 5 --unlabelled 2 --test 1 --size 18 18 18");
    folder.write("c.json", R"({"data": {"labelled": 2, "validation": 1, "patch": [16, 16, 16]},
 "model": {"width": 2, "depth": 3}, "method": {"samples": 1}, "inference": {"samples": 2},
 "training": {"iterations": 2, "labelled_batch": 1, "unlabelled_batch": 1, "validate_every": 1}})");
  }
  static Ran expect_done(const std::string& command) {
    Ran ran = run_duet(command);
    INFO(command, "\n", ran.output);
    REQUIRE(ran.code == 0);
    return ran;
  }
  std::string train(const std::string& out, const std::string& precision) const {
    return "@duet train --config " + d + "/c.json --set data.dataset=" + d + "/data/dataset.json --out " + d +
           "/" + out + " --set training.precision=" + precision + " ";
  }
  std::string predict(const std::string& run, const std::string& out, const std::string& flags) const {
    return "@duet predict --run " + d + "/" + run + " --input " + d + "/data/imagesTs --uncertainty --out " +
           d + "/" + out + " " + flags;
  }
  std::string precision_of(const std::string& run) const {
    return nlohmann::json::parse(contents_of(folder / run / "environment.json")).at("precision");
  }
  bool same(const std::string& a, const std::string& b) const {
    return contents_of(folder / a) == contents_of(folder / b);
  }
};

// How often the message stands in the output.
int falls(const Ran& ran) {
  int count = 0;
  for (std::size_t at = 0; (at = ran.output.find("going on in f32", at)) != std::string::npos; ++at) ++count;
  return count;
}

const std::vector<std::string> kTrained = {"checkpoints/last/network_1.safetensors",
                                           "checkpoints/last/network_2.safetensors",
                                           "checkpoints/best/network_1.safetensors"};
const std::vector<std::string> kPredicted = {"phantom_005.nii.gz", "phantom_005_uncertainty.nii.gz"};

bool machine_has_bf16() { return make_default_backend()->fast_bf16; }

}  // namespace

TEST_CASE("without bf16 in the processor everything goes on in f32, says so once, and gives f32's bits") {
  struct Place {
    std::string before, flags, named;
  };
  std::vector<Place> places = {{"", "--backend ref ", "bf16: backend ref does not multiply bf16"}};
  if (backend_names().front() == "onednn")
    places.push_back({"ONEDNN_MAX_CPU_ISA=AVX2 ", "", "bf16: this processor (oneDNN "});
  const Run r;
  for (const Place& place : places) {
    INFO(place.before, place.flags);
    const std::string tag = place.flags.empty() ? "avx2" : "ref";
    const auto run = [&](const std::string& command) {
      return Run::expect_done(place.before + command + place.flags);
    };
    const std::string half = r.train(tag + "16", "bf16"), full = r.train(tag + "32", "f32");
    const Ran dry = run(half + "--dry-run --json ");
    CHECK(falls(dry) == 1);
    CHECK(nlohmann::json::parse(dry.output.substr(dry.output.find('{'))).at("precision") == "f32");
    const Ran trained = run(half);
    CHECK(falls(trained) == 1);
    CHECK(trained.output.find(place.named) != std::string::npos);
    CHECK(falls(run(full)) == 0);
    const Ran again = run(half + "--resume ");
    CHECK(falls(again) == 1);
    CHECK(r.precision_of(tag + "16") == "f32");
    for (const std::string& file : kTrained) CHECK(r.same(tag + "16/" + file, tag + "32/" + file));

    CHECK(falls(run(r.predict(tag + "16", tag + "a", ""))) == 1);  // the run's own precision
    CHECK(falls(run(r.predict(tag + "16", tag + "b", "--precision f32 "))) == 0);
    CHECK(falls(run(r.predict(tag + "32", tag + "c", "--precision bf16 "))) == 1);
    for (const std::string& file : kPredicted) {
      CHECK(r.same(tag + "a/" + file, tag + "b/" + file));
      CHECK(r.same(tag + "a/" + file, tag + "c/" + file));
    }

    const std::string bench = "@duet bench --size 16 16 32 --width 2 --steps 1 --precision bf16 --json ";
    for (const std::string& flags :
         {std::string(), std::string("--rounds 1 --peer 'echo \"{\\\"median_s\\\": 1}\"' ")}) {
      const Ran measured = run(bench + flags);
      CHECK(falls(measured) == 1);  // here, not in every child
      CHECK(measured.output.find("\"precision\":\"f32\"") != std::string::npos);
    }
    const Ran self = run("@duet selftest --config " + r.d + "/c.json --precision bf16 ");
    CHECK(falls(self) == 1);
    CHECK(self.output.find("in f32 against ref: all within 1e-4") != std::string::npos);
  }
}

TEST_CASE("where the processor has bf16 it runs, and a run resumed elsewhere says what it ran in") {
  if (!machine_has_bf16()) {
    MESSAGE("SKIPPED: this processor has no bf16");
    return;
  }
  const Run r;
  const Ran trained = Run::expect_done(r.train("run", "bf16"));
  CHECK(falls(trained) == 0);
  CHECK(r.precision_of("run") == "bf16");
  Run::expect_done(r.predict("run", "half", ""));
  Run::expect_done(r.predict("run", "full", "--precision f32"));
  CHECK(!r.same("half/" + kPredicted[1], "full/" + kPredicted[1]));
  CHECK(contents_of(r.folder / "run/config.resolved.json").find("\"bf16\"") != std::string::npos);
  const std::string resume = r.train("run", "bf16") + "--resume";
  for (int i = 0; i < 2; ++i) {
    Run::expect_done("ONEDNN_MAX_CPU_ISA=AVX2 " + resume);
    CHECK(r.precision_of("run") == "bf16, then f32");
  }
  Run::expect_done(resume);
  CHECK(r.precision_of("run") == "bf16, then f32, then bf16");

  const Ran self = Run::expect_done("@duet selftest --config " + r.d + "/c.json --precision bf16 --json");
  // After what stderr said of the device.
  const auto checks = nlohmann::json::parse(self.output.substr(self.output.find('[')));
  REQUIRE(checks.size() > 5);
  for (const auto& check : checks) {
    CHECK(check.at("passed") == true);
    CHECK(check.at("precision") == "bf16");
    const bool head = check.at("kind") == "pointwise";
    for (const char* pass : {"forward", "data", "weights"}) {
      const std::string name = check.at(pass).at("implementation");
      INFO(check.dump());
      CHECK((name == "own:thin") == head);
      CHECK(!name.empty());
      CHECK(check.at(pass).at("difference").get<double>() <= 1e-2);
    }
    CHECK(check.at("weights").at("difference").get<double>() <= 1e-4);  // f32 on the same rounded values
  }
}

TEST_CASE("--resume takes another number of loading threads and another pace of saving") {
  const Run r;
  Run::expect_done(r.train("whole", "f32"));
  Run::expect_done(r.train("parts", "f32") + "--set training.iterations=2");
  Run::expect_done(r.train("parts", "f32") +
                   "--resume --set training.loading_threads=0 --set training.checkpoint_every=1");
  for (const std::string& file : kTrained) CHECK(r.same("whole/" + file, "parts/" + file));
  const Ran other = run_duet(r.train("parts", "f32") + "--resume --set training.validate_every=2");
  CHECK(other.code == 2);
  CHECK(other.output.find("training.validate_every") != std::string::npos);
}

TEST_CASE("config --from suggests bf16 only when told so, and then no smaller a patch") {
  const Run r;
  const std::string from = "@duet config --from " + r.d + "/data/dataset.json --memory 0.03";
  const Ran full = Run::expect_done(from), half = Run::expect_done(from + " --precision bf16");
  CHECK(full.output.find("\"precision\": \"f32\"") != std::string::npos);
  CHECK(half.output.find("\"precision\": \"bf16\"") != std::string::npos);
  const auto width = [](const Ran& ran) {
    return std::stoi(ran.output.substr(ran.output.find("\"width\": ") + 9));
  };
  CHECK(width(half) >= width(full));
}

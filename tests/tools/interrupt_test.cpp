// Ctrl-C on the program itself: it finishes the step, saves, exits with 130, and --resume leaves no trace of
// it.
#include "tests/support/metrics_text.h"
#include "tests/tools/run_duet.h"

using namespace duet;
using namespace duet::testing;

TEST_CASE("40 iterations equal some, Ctrl-C, and --resume: the same bytes") {
  const TemporaryFolder folder;
  const std::string d = folder.path().string();
  REQUIRE(
      run_duet("@duet phantom --out " + d + "/data --cases 8 --unlabelled 3 --test 0 --size 20 20 20").code ==
      0);
  folder.write("c.json", R"({"data": {"labelled": 3, "validation": 2, "patch": [16, 16, 16]},
 "model": {"width": 4, "depth": 3}, "method": {"samples": 2},
 "training": {"iterations": 40, "validate_every": 10, "checkpoint_every": 15}})");
  const std::string train =
      "@duet train --config " + d + "/c.json --set data.dataset=" + d + "/data/dataset.json --out " + d;
  REQUIRE(run_duet(train + "/whole").code == 0);
  // The signal comes once metrics.csv holds 20 iterations.
  const Ran cut = run_duet(train + "/parts & child=$!; until [ \"$(wc -l < " + d +
                           "/parts/metrics.csv 2>/dev/null || echo 0)\" -gt 20 ]; do sleep 0.02; done; kill "
                           "-INT $child; wait $child");
  INFO(cut.output);
  CHECK(cut.code == 130);
  CHECK(cut.output.find("interrupted after iteration") != std::string::npos);
  const Ran resumed = run_duet(train + "/parts --resume");
  INFO(resumed.output);
  CHECK(resumed.code == 0);
  CHECK(metrics_without_time(folder / "whole/metrics.csv") ==
        metrics_without_time(folder / "parts/metrics.csv"));
  for (const char* file : {"last/network_1.safetensors", "last/network_2.safetensors",
                           "last/training.safetensors", "best/network_1.safetensors"}) {
    INFO(file);
    CHECK(contents_of(folder / (std::string("whole/checkpoints/") + file)) ==
          contents_of(folder / (std::string("parts/checkpoints/") + file)));
  }
}

TEST_CASE("Ctrl-C while cases are still being read: a run that goes on") {
  const TemporaryFolder folder;
  const std::string d = folder.path().string();
  REQUIRE(run_duet("@duet phantom --out " + d + "/data --cases 12 --unlabelled 6 --test 0 --size 64 64 64")
              .code == 0);
  folder.write("c.json", R"({"data": {"labelled": 3, "validation": 2, "patch": [16, 16, 16]},
 "model": {"width": 2, "depth": 2}, "method": {"samples": 2}, "training": {"iterations": 40}})");
  // The folder of the run is there before the cases are.
  const Ran cut = run_duet("@duet train --config " + d + "/c.json --set data.dataset=" + d +
                           "/data/dataset.json --out " + d + "/run & child=$!; until [ -e " + d +
                           "/run ]; do sleep 0.005; done; kill -INT $child; wait $child");
  INFO(cut.output);
  CHECK(cut.code == 130);
  CHECK(cut.output.find("/run: interrupted after iteration") != std::string::npos);
  CHECK(run_duet("@duet train --out " + d + "/run --resume").code == 0);
}

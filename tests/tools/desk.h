// Where a person begins: a small data set and a config that trains in a second.
#pragma once

#include "tests/tools/run_duet.h"

namespace duet::testing {

// Nine phantoms, some unlabelled, and a config small enough to run.
struct Desk {
  TemporaryFolder folder;
  std::string d = folder.path().string();

  Desk() {
    REQUIRE(run_duet("@duet phantom --out " + d + "/data --cases 9 --unlabelled 3 --test 2 --size 20 20 20")
                .code == 0);
    folder.write("c.json", R"({"data": {"dataset": ")" + d + R"(/data/dataset.json", "labelled": 3,
 "validation": 2, "patch": [16, 16, 16]}, "model": {"width": 2, "depth": 2}, "method": {"samples": 2},
 "inference": {"samples": 2}, "training": {"iterations": 4, "validate_every": 2, "checkpoint_every": 2}})");
  }
  Ran ran(std::string command) const {
    for (std::size_t at = 0; (at = command.find("{d}", at)) != std::string::npos;) command.replace(at, 3, d);
    return run_duet(command);
  }
};

inline bool says(const Ran& ran, const std::string& what) {
  return ran.output.find(what) != std::string::npos;
}

}  // namespace duet::testing

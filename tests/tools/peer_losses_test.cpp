// The yardstick beside ours. A fast step is a whole step: from the yardstick's weights and input, with p = 0,
// our first three losses are PyTorch's. Skipped where there is no PyTorch or no yardstick, in CI too, as
// neither is a part of the project.
#include <cmath>
#include <doctest/doctest.h>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "tests/tools/run_duet.h"

using namespace duet;
using namespace duet::testing;

namespace {

namespace fs = std::filesystem;

std::optional<fs::path> yardstick() {
  const char* set = std::getenv("DUET_SHARED");
  const fs::path shared = set ? fs::path(set) : fs::path(DUET_SOURCE_DIR).parent_path() / "shared";
  if (fs::exists(shared / "peer/vnet_step.py")) return shared / "peer/vnet_step.py";
  MESSAGE("SKIPPED: no " << (shared / "peer/vnet_step.py").string() << " (set DUET_SHARED)");
  return std::nullopt;
}

// The first that can import torch: Debian's stands beside whatever `python3` is.
std::optional<std::string> python_with_torch() {
  for (const std::string python : {"python3", "/usr/bin/python3"}) {
    if (run_duet(python + " -c 'import torch'").code == 0) return python;
  }
  MESSAGE("SKIPPED: python3 has no torch (apt-get install python3-torch)");
  return std::nullopt;
}

std::vector<double> losses_of(const std::string& command) {
  const Ran ran = run_duet(command);
  INFO(ran.output);
  REQUIRE(ran.code == 0);
  const auto line = ran.output.rfind("{");
  REQUIRE(line != std::string::npos);
  return nlohmann::json::parse(ran.output.substr(line)).at("losses").get<std::vector<double>>();
}

}  // namespace

TEST_CASE("the first three losses are PyTorch's") {
  const auto peer = yardstick();
  const auto python = peer ? python_with_torch() : std::nullopt;
  if (!peer || !python) return;
  for (const std::string mode : {"train", "infer", "cotrain"}) {
    for (const std::string norm : {"instance", "batch"}) {
      const TemporaryFolder folder;
      const std::string d = folder.path().string();
      const std::string work = " --mode " + mode + " --norm " + norm +
                               " --size 32 32 32 --batch 2 --width 4 --classes 3 --samples 2 --threads 2";
      const auto theirs = losses_of(*python + " " DUET_SOURCE_DIR "/tools/peer_losses.py --peer '" +
                                    peer->string() + "' --out " + d + work);
      const std::string second = mode == "cotrain" ? " --weights " + d + "/network_2.safetensors" : "";
      const auto ours =
          losses_of("@duet bench --losses --p 0 --input " + d + "/input.safetensors --weights " + d +
                    "/network_1.safetensors" + second + work);
      REQUIRE(theirs.size() == 3);
      REQUIRE(ours.size() == 3);
      for (std::size_t i = 0; i < 3; ++i) {
        INFO(mode, ", ", norm, ", step ", i + 1, ": ours ", ours[i], ", PyTorch's ", theirs[i]);
        CHECK(std::fabs(ours[i] - theirs[i]) <= 1e-3 * std::fabs(theirs[i]));
      }
    }
  }
}

TEST_CASE("the yardstick runs the windows of a volume beside ours") {
  const auto peer = yardstick();
  const auto python = peer ? python_with_torch() : std::nullopt;
  if (!peer || !python) return;
  const std::string theirs = *python + " " DUET_SOURCE_DIR "/tools/peer_windows.py --peer " + peer->string() +
                             " --patch 16 32 32 --batch 2 --width 2 --threads 2 ";
  const std::string ours =
      "@duet bench --mode volume --size 20 40 32 --patch 16 32 32 --stride 4 8 0 --width 2 --samples 0"
      " --steps 1 --threads 2 --rounds 1 --json";
  const Ran both = run_duet(ours + " --peer '" + theirs + "--windows 4' --peer '" + theirs +
                            "--windows 4 --measure 2 --channels-last --bf16'");
  INFO(both.output);
  REQUIRE(both.code == 0);
  CHECK(nlohmann::json::parse(both.output.substr(both.output.rfind("\n{") + 1)).at("ratio") > 0);
  const Ran fewer = run_duet(ours + " --peer '" + theirs + "--windows 3'");
  CHECK(fewer.code == 2);
  CHECK(fewer.output.find("windows should be 4 as ours, found 3") != std::string::npos);
  const Ran scaled = run_duet(theirs + "--windows 9 --measure 3");
  INFO(scaled.output);
  REQUIRE(scaled.code == 0);
  const auto json = nlohmann::json::parse(scaled.output.substr(scaled.output.rfind("{")));
  CHECK(json.at("measured_windows") == 3);
  CHECK(json.at("scaled") == true);
}

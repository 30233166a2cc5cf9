// Each entry of the kernel contract makes at least one launch or vendor call, and nothing goes between host
// and device on the way. That no entry is forgotten is read off the headers.
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <regex>
#include <set>
#include <sstream>

#include "tests/engine/cuda/contract_entries.h"

namespace duet::testing {
namespace {

// Names of the pure virtual functions that return nothing: those that compute.
std::set<std::string> contract() {
  static const std::regex declaration(R"(virtual void (\w+)\([^;{]*\)\s*=\s*0;)");
  std::set<std::string> names;
  const auto folder = std::filesystem::path(DUET_SOURCE_DIR) / "engine/kernels";
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    std::ifstream input(file.path());
    std::stringstream text;
    text << input.rdbuf();
    const std::string all = text.str();
    for (std::sregex_iterator i(all.begin(), all.end(), declaration), end; i != end; ++i)
      names.insert((*i)[1]);
  }
  return names;
}

}  // namespace

TEST_CASE("each entry of the contract makes a launch or a vendor call, and stays on the device") {
  Entries all;
  for (const Entries& some : {convolution_entries(), norm_entries(), pointwise_entries(), region_entries(),
                              loss_entries(), other_entries()}) {
    all.insert(some.begin(), some.end());
  }
  std::set<std::string> named;
  for (const auto& [name, call] : all) named.insert(name);
  CHECK(named == contract());

  HostDriver* driver = nullptr;
  const auto backend = make_host_cuda(&driver);
  for (const auto& [name, call] : all) {
    INFO(name);
    call(*backend, *driver);
    CHECK(driver->calls.all() > 0);
    CHECK(driver->calls.uploads + driver->calls.downloads == 0);
    for (const cuda::Launch& launch : driver->calls.launches) {
      INFO(std::string(launch.name));
      CHECK(launch.items > 0);
      CHECK(launch.geometry.threads == cuda::kThreads);
      CHECK(launch.geometry.shared <= 48 * 1024);
      CHECK(launch.geometry.y <= 65535);
      CHECK(launch.geometry.z <= 65535);
    }
  }
  std::cout << "entries of the kernel contract: " << all.size() << std::endl;
}

}  // namespace duet::testing

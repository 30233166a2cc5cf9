// Nothing of NVIDIA's is opened by a run on the CPU. The libraries take a third of a second and 200 MB.
#include <cstdlib>
#include <doctest/doctest.h>
#include <fstream>

#include "engine/backend/table.h"

namespace duet::testing {
namespace {

// Whether this process has a library of this name open.
bool is_mapped(const std::string& name) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find('/' + name) != std::string::npos) return true;
  }
  return false;
}

// fake_driver.cpp says so; a real one stays in the maps.
bool is_driver_opened() { return std::getenv("DUET_FAKE_DRIVER") != nullptr || is_mapped("libcuda.so"); }

bool is_any_opened() {
  return is_driver_opened() || is_mapped("libcudart") || is_mapped("libcublas") || is_mapped("libcudnn");
}

}  // namespace

TEST_CASE(
    "a run on the CPU opens neither the driver nor cuBLAS nor cuDNN; looking for a GPU opens the driver") {
  CHECK(!is_any_opened());
  const auto versions = vendor_versions();
  bool names_cudnn = false;
  for (const std::string& line : versions) names_cudnn = names_cudnn || line.rfind("cuDNN ", 0) == 0;
  CHECK(names_cudnn == built_with_cuda());
  CHECK(make_backend("ref")->name == "ref");
  const std::string first = make_default_backend()->name;
  CHECK(!is_any_opened());

  const std::string absence = cuda_absence();
  CHECK(backend_names().front() == first);
  CHECK(is_driver_opened() == built_with_cuda());
  if (!absence.empty()) CHECK(!is_mapped("libcublas"));
  if (!absence.empty()) CHECK(!is_mapped("libcudnn"));
}

}  // namespace duet::testing

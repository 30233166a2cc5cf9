// cuBLAS and cuDNN of this build: found without being linked, with every function that the room calls.
#include <doctest/doctest.h>

#include "engine/backend/cuda/device.h"

namespace duet::cuda {

TEST_CASE("cuBLAS and cuDNN are found at first use, with all that is called of them") {
  const std::vector<std::string> built_with = library_versions();
  REQUIRE(built_with.size() == 3);
  CHECK(libraries_absence() == "");
  const std::vector<std::string> in_use = library_versions();
  REQUIRE(in_use.size() == 3);
  const char* names[] = {"CUDA ", "cuBLAS ", "cuDNN "};
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(built_with[i].rfind(names[i], 0) == 0);
    CHECK(in_use[i].rfind(names[i], 0) == 0);
  }
}

}  // namespace duet::cuda

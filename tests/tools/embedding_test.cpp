// Another project takes us in: by add_subdirectory, with flags of its own, and its program gives what
// `duet predict` does.
#include "tests/tools/run_duet.h"

using namespace duet;
using namespace duet::testing;

TEST_CASE("add_subdirectory: another project configures, and compiles with its own flags") {
  const TemporaryFolder folder;
  const std::string build = folder.path().string();
  const std::string source = DUET_SOURCE_DIR "/tests/tools/embedding";
  const Ran configured = run_duet(
      std::string("export CMAKE_PREFIX_PATH=" DUET_PREFIXES "; cmake -G Ninja -S ") + source + " -B " +
      build +
      " -DDUET=" DUET_SOURCE_DIR " -DDUET_ONEDNN=OFF -DDUET_CUDA=OFF -DCMAKE_CXX_COMPILER=" DUET_COMPILER);
  INFO(configured.output);
  REQUIRE(configured.code == 0);
  // One library and the program's object alone: the rest would take minutes and is compiled the same way.
  const Ran built = run_duet("cmake --build " + build +
                             " --verbose --target duet_core CMakeFiles/segment.dir/segment.cpp.o");
  INFO(built.output);
  CHECK(built.code == 0);
  const std::size_t object = built.output.find("-o CMakeFiles/segment.dir/segment.cpp.o");
  REQUIRE(object != std::string::npos);
  const std::size_t begin = built.output.rfind('\n', object);
  CHECK(built.output.substr(begin, object - begin).find("-march=native") == std::string::npos);
}

TEST_CASE(
    "the program of README.md's embedding segments as `duet predict` does, whatever the run's precision") {
  for (const std::string precision : {"f32", "bf16"}) {
    INFO(precision);
    // As on a processor without bf16: the program of old had no convolution of that kind there.
    const std::string here = precision == "bf16" ? "ONEDNN_MAX_CPU_ISA=AVX2 " : "";
    const TemporaryFolder folder;
    const std::string d = folder.path().string();
    REQUIRE(run_duet("@duet phantom --out " + d + "/data --cases 3 --test 1 --size 20 20 20").code == 0);
    folder.write("c.json", R"({"data": {"dataset": ")" + d +
                               R"(/data/dataset.json", "labelled": 2, "validation": 1, "shrink": [1, 1, 2],
 "patch": [16, 16, 16]}, "method": {"name": "supervised"}, "model": {"width": 2, "depth": 2},
 "training": {"iterations": 3, "precision": ")" +
                               precision + R"("}})");
    REQUIRE(run_duet("@duet train --config " + d + "/c.json --out " + d + "/run").code == 0);
    const std::string image = d + "/data/imagesTs/phantom_003.nii.gz";
    REQUIRE(
        run_duet(here + "@duet predict --run " + d + "/run --input " + image + " --out " + d + "/out").code ==
        0);
    const Ran own = run_duet(here + DUET_SEGMENT " " + d + "/run " + image + " " + d + "/own.nii.gz");
    INFO(own.output);
    REQUIRE(own.code == 0);
    CHECK(contents_of(folder / "own.nii.gz") == contents_of(folder / "out" / "phantom_003.nii.gz"));
    CHECK(run_duet(DUET_SEGMENT " " + d + "/none " + image + " " + d + "/x.nii.gz").code == 1);
  }
}

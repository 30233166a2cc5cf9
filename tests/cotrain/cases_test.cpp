// Cases read side by side: in order, as one by one, and the first error in the list's order.
#include "cotrain/data/cases.h"

#include "engine/core/parallel.h"
#include "engine/core/philox.h"
#include "io/nifti/write.h"
#include "tests/io/temporary_folder.h"

using namespace duet;
using namespace duet::testing;

namespace {

constexpr int kClasses = 3;

DataConfig small_patch() {
  DataConfig config;
  config.patch = {8, 8, 8};
  return config;
}

const DataConfig kConfig = small_patch();

std::vector<SplitCase> written_cases(const TemporaryFolder& folder, std::uint32_t count) {
  std::vector<SplitCase> cases;
  for (std::uint32_t n = 0; n < count; ++n) {
    const Triple size = {6 + n % 3, 9, 7 + n % 5};
    std::vector<float> image;
    std::vector<std::uint8_t> labels;
    for (Index v = 0; v < size[0] * size[1] * size[2]; ++v) {
      image.push_back(draw_uniform({}, n, static_cast<std::uint64_t>(v)));
      labels.push_back(static_cast<std::uint8_t>(v % kClasses));
    }
    const Geometry geometry = make_geometry(size, std::array<double, 3>{1, 1, 2});
    SplitCase each;
    each.id = text("case_", n);
    each.image = folder / text(each.id, ".nii.gz");
    write_image(each.image, geometry, image);
    if (n % 4 != 3) {
      each.label = folder / text(each.id, "_label.nii.gz");
      write_image(each.label, geometry, labels);
    }
    cases.push_back(each);
  }
  return cases;
}

struct ThreadsReset {
  int before = max_threads();
  ~ThreadsReset() { set_threads(before); }
};

}  // namespace

TEST_CASE("cases read side by side are those read one by one, in order") {
  const TemporaryFolder folder;
  const ThreadsReset reset;
  const auto cases = written_cases(folder, 13);
  for (int threads : {1, 2, 4, 40}) {
    set_threads(threads);
    const auto loaded = load_cases(cases, kClasses, kConfig);
    REQUIRE(loaded.size() == cases.size());
    for (std::size_t i = 0; i < cases.size(); ++i) {
      const LoadedCase expected = load_case(cases[i], kClasses, kConfig);
      CHECK(loaded[i].id == cases[i].id);
      CHECK(loaded[i].frame == expected.frame);
      CHECK(loaded[i].image == expected.image);
      CHECK(loaded[i].labels == expected.labels);
      CHECK(loaded[i].foreground == expected.foreground);
    }
  }
  CHECK(load_cases({}, kClasses, kConfig).empty());
}

TEST_CASE("of several cases that fail the first in the list is named, as by load_case") {
  const TemporaryFolder folder;
  const ThreadsReset reset;
  const auto cases = written_cases(folder, 13);
  folder.write("case_5.nii.gz", "no image");
  std::filesystem::remove(folder / "case_9_label.nii.gz");
  folder.write("case_12.nii.gz", "no image");
  const Caught expected = caught([&] { load_case(cases[5], kClasses, kConfig); });
  REQUIRE(expected.code != ExitCode::done);
  for (int threads : {1, 3, 13}) {
    set_threads(threads);
    for (int repeat = 0; repeat < 20; ++repeat) {
      const Caught found = caught([&] { load_cases(cases, kClasses, kConfig); });
      CHECK(found.code == expected.code);
      CHECK(found.message == expected.message);
    }
  }
}

TEST_CASE("warnings of spacing are of millimetres, whatever a header's unit") {
  const Geometry in_mm = make_geometry({4, 4, 4}, std::array{1.0, 1.0, 1.0});
  Geometry same = make_geometry({4, 4, 4}, std::array{1000.0, 1000.0, 1000.0}), small = in_mm;
  for (Geometry* geometry : {&same, &small}) geometry->stored.xyzt_units = 3;  // micrometres
  CHECK(geometry_warnings({{"a", in_mm}, {"b", in_mm}, {"c", same}}).empty());
  const auto warnings = geometry_warnings({{"a", in_mm}, {"b", in_mm}, {"c", small}});
  REQUIRE(warnings.size() == 1);
  CHECK(warnings[0].find("c (0.001x0.001x0.001)") != std::string::npos);
}

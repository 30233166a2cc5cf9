// Folders of segmentations against folders of references: which classes count.
#include "cotrain/predict/evaluate_cases.h"

#include <doctest/doctest.h>

#include "io/nifti/write.h"
#include "tests/io/temporary_folder.h"

using namespace duet;
using namespace duet::testing;

namespace {

using Labels = std::vector<std::uint8_t>;

void write(const TemporaryFolder& folder, const std::string& name, const Labels& labels) {
  std::filesystem::create_directories((folder / name).parent_path());
  const Triple size{1, 1, static_cast<Index>(labels.size())};
  write_image(folder / name, make_geometry(size, std::array{1.0, 1.0, 1.0}),
              std::span<const std::uint8_t>(labels));
}

}  // namespace

TEST_CASE("a class that only a prediction has is wrong, not left out") {
  const TemporaryFolder folder;
  write(folder, "p/a.nii.gz", {0, 1, 1, 2});
  write(folder, "r/a.nii.gz", {0, 1, 1, 1});
  write(folder, "p/b.nii.gz", {0, 1, 1, 0});
  write(folder, "r/b.nii.gz", {0, 1, 1, 0});
  const EvaluationReport report = evaluate_cases(folder / "p", folder / "r", 0, {});
  CHECK(report.failures.empty());
  REQUIRE(report.table.rows.size() == 4);  // two classes of two cases
  CHECK(report.table.rows[0].metrics.dice.value() == doctest::Approx(0.8));
  CHECK(report.table.rows[1].metrics.dice.value() == 0);
  CHECK_FALSE(report.table.rows[3].metrics.dice.has_value());  // b has none of class 2 on either side

  // All foreground as one: whatever is what, however many there are.
  const EvaluationReport whole = evaluate_cases(folder / "p", folder / "r", 0, {}, true);
  CHECK(whole.failures.empty());
  REQUIRE(whole.table.rows.size() == 2);
  CHECK(whole.table.rows[0].metrics.dice.value() == 1);
  // Where the number is given a label beyond it is a fault of its case.
  const EvaluationReport two = evaluate_cases(folder / "p", folder / "r", 2, {});
  REQUIRE(two.failures.size() == 1);
  CHECK(two.failures[0].find("label 2") != std::string::npos);
}

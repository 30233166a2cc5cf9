// Every file of shared/nifti_cases against the table nifti_expected.json, which nifti_expected.py made with
// nibabel.
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/io/nifti_support.h"
#include "tests/support/shared_data.h"

using namespace duet;
using namespace duet::testing;
namespace fs = std::filesystem;

namespace {

nlohmann::json expected_table() {
  std::ifstream in(fs::path(DUET_SOURCE_DIR) / "tests/io/nifti_expected.json");
  return nlohmann::json::parse(in);
}

void check_close(double found, double expected, const char* what) {
  CHECK_MESSAGE(std::fabs(found - expected) <= 1e-6 * std::max(1.0, std::fabs(expected)),
                what << ": " << found << ", expected " << expected);
}

void check_values(const std::vector<float>& data, const nlohmann::json& row) {
  REQUIRE(data.size() == row["count"].get<std::size_t>());
  double sum = 0, weighted = 0, low = data[0], high = data[0];
  for (std::size_t i = 0; i < data.size(); ++i) {
    const double v = data[i];
    sum += v;
    weighted += v * static_cast<double>(i % 1009 + 1);
    low = std::min(low, v);
    high = std::max(high, v);
  }
  check_close(sum, row["sum"], "sum");
  check_close(weighted, row["weighted"], "weighted sum");
  check_close(low, row["min"], "min");
  check_close(high, row["max"], "max");
  for (const auto& sample : row["samples"])
    check_close(data[sample[0].get<std::size_t>()], sample[1], "sample");
}

void check_image(const fs::path& file, const nlohmann::json& row) {
  const ImageInfo info = read_header(file);
  CHECK(info.refused == "");
  CHECK(info.shape == row["shape"].get<std::vector<Index>>());
  const Image image = read_image(file);
  CHECK(image.size == info.geometry.size);
  for (int r = 0; r < 3; ++r) {
    for (int c = 0; c < 4; ++c) {
      CHECK(image.affine.m[r][c] ==
            doctest::Approx(row["affine"][r][c].get<double>()).epsilon(1e-5).scale(1));
    }
  }
  check_values(image.data, row);
}

void check_refused(const fs::path& file, const nlohmann::json& row) {
  const Error error = error_of([&] { read_image(file); }, file.filename().stem().string());
  CHECK(error.code() == (row["code"] == "data" ? ExitCode::data : ExitCode::filesystem));
  CHECK_MESSAGE(says(error, row["says"]), error.what());
  MESSAGE(std::string(error.what()));
  // `duet info` describes what can be described and says why it is refused; else the error is the same.
  std::string refused;
  try {
    refused = read_header(file).refused;
  } catch (const Error& same) {
    refused = same.what();
  }
  CHECK(refused != "");
  CHECK(says(error, refused));
}

}  // namespace

TEST_CASE("nifti: every case file as the table says") {
  const auto shared = shared_folder("nifti_cases");
  if (!shared) return;
  const auto table = expected_table();
  std::set<std::string> found;
  int images = 0;
  for (const auto& entry : fs::recursive_directory_iterator(*shared / "nifti_cases")) {
    const std::string name = entry.path().filename().string();
    if (!entry.is_regular_file() || name.starts_with("LICENSE") || name.starts_with("COPYING")) continue;
    const std::string key = fs::relative(entry.path(), *shared / "nifti_cases").generic_string();
    CAPTURE(key);
    found.insert(key);
    REQUIRE(table.contains(key));
    const auto& row = table[key];
    if (row["outcome"] == "image") {
      ++images;
      check_image(entry.path(), row);
    } else {
      check_refused(entry.path(), row);
    }
  }
  CHECK(found.size() == table.size());
  MESSAGE(images << " images read, " << found.size() - static_cast<std::size_t>(images) << " files refused");
}

TEST_CASE("nifti: the twelve orientations are one image") {
  const auto shared = shared_folder("nifti_cases/niivue_space");
  if (!shared) return;
  const fs::path folder = *shared / "nifti_cases/niivue_space";
  const Image reference = read_image(folder / "RAS.nii.gz", {.reorient_to_ras = true});
  CHECK(reference.geometry.orientation.is_stored_order());
  int count = 0, turned = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (!name.ends_with(".nii.gz")) continue;
    CAPTURE(name);
    ++count;
    const ImageInfo info = read_header(entry.path());
    const Image image = read_image(entry.path(), {.reorient_to_ras = true});
    turned += image.geometry.orientation.is_stored_order() ? 0 : 1;
    CHECK(image.size == reference.size);
    CHECK(image.data == reference.data);
    CHECK(axis_codes(image.affine) == "RAS");
    CHECK(axis_codes(info.geometry.affine) == name.substr(0, 3));
    for (int r = 0; r < 3; ++r) {
      for (int c = 0; c < 4; ++c) CHECK(std::fabs(image.affine.m[r][c] - reference.affine.m[r][c]) <= 1e-5);
    }
  }
  CHECK(count == 12);
  CHECK(turned == 11);
}

TEST_CASE("nifti: outputs of the twelve go back to the stored order under the same header") {
  const auto shared = shared_folder("nifti_cases/niivue_space");
  if (!shared) return;
  const TemporaryFolder out;
  for (const auto& entry : fs::directory_iterator(*shared / "nifti_cases/niivue_space")) {
    const std::string name = entry.path().filename().string();
    if (!name.ends_with(".nii.gz")) continue;
    CAPTURE(name);
    const Image stored = read_image(entry.path());
    const Image ras = read_image(entry.path(), {.reorient_to_ras = true});
    write_image(out / name, ras.geometry, ras.data);
    const Image back = read_image(out / name);
    CHECK(back.geometry.stored == stored.geometry.stored);
    CHECK(back.affine == stored.affine);
    CHECK(back.data == stored.data);
  }
}

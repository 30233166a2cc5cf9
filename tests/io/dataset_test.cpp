#include "io/dataset/dataset.h"

#include <doctest/doctest.h>

#include "tests/io/temporary_folder.h"
#include "tests/support/shared_data.h"

using namespace duet;
using namespace duet::testing;

namespace {

const std::string kHead =
    R"({"name": "Set", "labels": {"0": "background", "1": "organ"}, "modality": {"0": "MRI"}, )";

// A folder with images a.nii.gz .. d.nii and labels of a and b.
void fill(const TemporaryFolder& folder) {
  for (const char* name :
       {"img/a.nii.gz", "img/b.nii.gz", "img/c.nii", "other/a.nii", "lab/a.nii.gz", "lab/b.nii.gz"}) {
    folder.write(name, name);
  }
}

}  // namespace

TEST_CASE("entries with, without and with hidden labels") {
  const TemporaryFolder folder;
  fill(folder);
  const auto file = folder.write("dataset.json", kHead + R"("numTraining": 3, "training": [
    {"image": "./img/b.nii.gz", "label": "./lab/b.nii.gz"},
    {"image": "img/a.nii.gz", "label": "lab/a.nii.gz"},
    "img/c.nii"], "unlabelled": [{"image": "other/../lab/../img/../img/../other/a.nii"}]})");
  expect_error(caught([&] { read_dataset(file); }), ExitCode::data,
               {"case a stands twice", "other/a.nii", "img/a.nii.gz"});
  const auto good = folder.write("good.json", kHead + R"("numTraining": 3, "training": [
    {"image": "./img/b.nii.gz", "label": "./lab/b.nii.gz"}, {"image": "other/a.nii", "label": null}],
    "unlabelled": ["img/c.nii"]})");
  const Dataset data = read_dataset(good);
  CHECK(data.name == "Set");
  CHECK(data.classes == std::vector<std::string>{"background", "organ"});
  CHECK(data.channels == std::vector<std::string>{"MRI"});
  REQUIRE(data.cases.size() == 3);
  CHECK(data.cases[0].id == "a");
  CHECK_FALSE(data.cases[0].labelled());
  CHECK(data.cases[1].id == "b");
  CHECK(data.cases[1].image == folder / "img/b.nii.gz");
  CHECK(data.cases[1].label == folder / "lab/b.nii.gz");
  CHECK_FALSE(data.cases[2].labelled());
  REQUIRE(data.warnings.size() == 1);
  CHECK(data.warnings[0].find("numTraining is number 3, the list training has 2") != std::string::npos);
}

TEST_CASE("bad dataset.json files") {
  struct Row {
    std::string contents;
    std::vector<std::string> wanted;
  };
  const std::string ab = R"({"image": "img/a.nii.gz", "label": "lab/a.nii.gz"})";
  const Row rows[] = {
      {"", {":1:1: "}},
      {"{\n  \"name\": \"x\",\n}", {":3:1: "}},
      {"[1]", {"expected an object"}},
      {R"({"training": []})", {"labels: expected"}},
      {R"({"labels": ["background"], "training": []})", {":1:12: labels: expected"}},
      {R"({"labels": {}, "training": []})", {"labels: expected 1 to 256 entries, found 0"}},
      {R"({"labels": {"0": "background", "2": "b"}, "training": []})",
       {"indices 0 to 1 without gaps, found \"2\""}},
      {R"({"labels": {"0": "background", "01": "b"}, "training": []})", {"found \"01\""}},
      {R"({"labels": {"0": "background", "-1": "b"}, "training": []})", {"found \"-1\""}},
      {R"({"labels": {"0": "background", "1": 3}, "training": []})",
       {"labels.1: expected a name, found number 3"}},
      {R"({"labels": {"0": "organ", "1": "background"}, "training": []})",
       {"labels.0: expected \"background\""}},
      {R"({"labels": {"0": "background"}, "training": []})", {"at least one class"}},
      {R"({"labels": {"0": "background", "0": "b"}, "training": []})", {":1:32: ", "stands twice"}},
      {R"({"labels": {"0": "background", "1": "b"}, "modality": "MRI", "training": []})",
       {"modality: expected"}},
      {kHead + R"("x": 1})", {"training: expected a list of cases, found no such key"}},
      {kHead + R"("training": {}})", {"training: expected a list of cases, found an object"}},
      {kHead + R"("training": [5]})", {"training: expected {\"image\"", "found number 5"}},
      {kHead + R"("training": [{"label": "lab/a.nii.gz"}]})", {"found no \"image\""}},
      {kHead + R"("training": [{"image": ""}]})", {"expected a file name, found text \"\""}},
      {kHead + R"("training": [{"image": "img/a.nii.gz", "label": 3}]})",
       {"label of case a: expected a file name"}},
      {kHead + R"("training": []})", {"at least one case with a label, found 0 cases"}},
      {kHead + R"("training": [{"image": "img/a.nii.gz"}]})",
       {"at least one case with a label, found 1 cases and no label"}},
      {kHead + "\"training\": [" + ab + ", " + ab + "]}", {"case a stands twice"}},
      {kHead + "\"training\": [" + ab + "], \"unlabelled\": [\"img/a.nii.gz\"]}", {"case a stands twice"}},
      {kHead + R"("training": [{"image": "img/a.nii.gz", "label": "lab/x.nii.gz"}]})",
       {"1 file is missing: label ", "lab/x.nii.gz of case a"}},
      {kHead + "\"training\": [" + ab +
           R"(, "q1.nii", "q2.nii", "q3.nii", "q4.nii", "q5.nii", "q6.nii", "img"]})",
       {"7 files are missing: image ", "img of case img", "q4.nii of case q4 and 2 more"}},
  };
  for (const Row& row : rows) {
    const TemporaryFolder folder;
    fill(folder);
    const auto file = folder.write("dataset.json", row.contents);
    CAPTURE(row.contents);
    const Caught found = caught([&] { read_dataset(file); });
    expect_error(found, ExitCode::data, row.wanted);
    CHECK(found.message.starts_with(file.string() + ":"));
  }
  expect_error(caught([] { read_dataset("/nowhere/dataset.json"); }), ExitCode::data,
               {"/nowhere/dataset.json"});
  MESSAGE("bad dataset files: " << std::size(rows) + 1);
}

TEST_CASE("case ids") {
  const std::pair<const char*, const char*> rows[] = {
      {"x/a.nii.gz", "a"}, {"a.nii", "a"},           {"a.b.hdr", "a.b"}, {"a.img.gz", "a"},
      {"a.mha", "a.mha"},  {"a_0000.nii", "a_0000"}, {"A.NII.GZ", "A"},  {"b.Hdr", "b"}};
  for (const auto& [path, id] : rows) CHECK(case_id(path) == id);
}

TEST_CASE("the real data sets") {
  const auto shared = shared_folder("data/hippocampus");
  if (!shared) return;
  const Dataset hippocampus = read_dataset(*shared / "data/hippocampus/dataset.json");
  CHECK(hippocampus.cases.size() == 208);
  CHECK(hippocampus.classes == std::vector<std::string>{"background", "Anterior", "Posterior"});
  CHECK(hippocampus.warnings.empty());
  const Dataset atrium = read_dataset(*shared / "data/left_atrium/dataset.json");
  CHECK(atrium.classes.size() == 2);
}

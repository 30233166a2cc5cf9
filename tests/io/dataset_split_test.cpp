#include <algorithm>
#include <doctest/doctest.h>
#include <limits>
#include <set>
#include <sys/stat.h>

#include "io/dataset/sha256.h"
#include "io/dataset/split.h"
#include "tests/io/temporary_folder.h"

using namespace duet;
using namespace duet::testing;

namespace {

// Cases l00.. with labels and u0.. without, as files where a folder is given.
Dataset make_data(int labelled, int unlabelled, const TemporaryFolder* folder = nullptr) {
  Dataset data;
  data.file = "set/dataset.json";
  const auto file = [&](const std::string& name) {
    return folder ? folder->write(name, "contents of " + name) : std::filesystem::path("/set/" + name);
  };
  for (int i = 0; i < labelled; ++i) {
    const std::string id = text('l', i / 10, i % 10);
    data.cases.push_back({id, file("img/" + id + ".nii"), file("lab/" + id + ".nii")});
  }
  for (int i = 0; i < unlabelled; ++i)
    data.cases.push_back({text('u', i), file(text("img/u", i, ".nii")), ""});
  return data;
}

std::vector<std::string> ids(const std::vector<SplitCase>& cases) {
  std::vector<std::string> all;
  for (const SplitCase& one : cases) all.push_back(one.id);
  return all;
}

bool includes(const std::vector<SplitCase>& more, const std::vector<SplitCase>& fewer) {
  const auto a = ids(more), b = ids(fewer);
  return std::includes(a.begin(), a.end(), b.begin(), b.end());
}

}  // namespace

TEST_CASE("the lists share no case, unlabelled ones have no label, the seed decides") {
  const Dataset data = make_data(40, 3);
  const Split split = make_split(data, {.seed = 7, .labelled = 5, .validation = 8, .report = 10});
  CHECK(split.labelled.size() == 5);
  CHECK(split.validation.size() == 8);
  CHECK(split.report.size() == 10);
  CHECK(split.unlabelled.size() == 17 + 3);
  std::set<std::string> all;
  for (const auto* list : {&split.labelled, &split.validation, &split.report, &split.unlabelled}) {
    for (const SplitCase& one : *list) {
      all.insert(one.id);
      CHECK(one.labelled() == (list != &split.unlabelled));
    }
    CHECK(std::is_sorted(list->begin(), list->end(), [](auto& a, auto& b) { return a.id < b.id; }));
  }
  CHECK(all.size() == 43);

  const SplitRequest same = {.seed = 7, .labelled = 5, .validation = 8, .report = 10};
  Dataset reversed = data;
  std::reverse(reversed.cases.begin(), reversed.cases.end());
  CHECK(ids(make_split(reversed, same).labelled) == ids(split.labelled));
  // The seed draws the labelled cases, the other one those that measure.
  const Split other = make_split(data, {.seed = 8, .labelled = 5, .validation = 8, .report = 10});
  CHECK(ids(other.report) == ids(split.report));
  CHECK(ids(other.validation) == ids(split.validation));
  CHECK(ids(other.labelled) != ids(split.labelled));
  SplitRequest elsewhere = same;
  elsewhere.held_out_seed = 2;
  CHECK(ids(make_split(data, elsewhere).report) != ids(split.report));
  CHECK(ids(make_split(data, elsewhere).validation) != ids(split.validation));
}

TEST_CASE("more labels are a superset, report and validation stay") {
  const Dataset data = make_data(40, 0);
  const Split five = make_split(data, {.seed = 3, .labelled = 5, .validation = 8, .report = 10});
  const Split ten = make_split(data, {.seed = 3, .labelled = 10, .validation = 8, .report = 10});
  const Split all = make_split(data, {.seed = 3, .labelled = -1, .validation = 8, .report = 10});
  CHECK(ids(five.report) == ids(all.report));
  CHECK(ids(five.validation) == ids(all.validation));
  CHECK(includes(ten.labelled, five.labelled));
  CHECK(includes(all.labelled, ten.labelled));
  CHECK(all.labelled.size() == 22);
  CHECK(all.unlabelled.empty());
}

TEST_CASE("too few labelled cases") {
  constexpr Index kHuge = std::numeric_limits<Index>::max();
  const Dataset data = make_data(10, 5);
  const SplitRequest rows[] = {
      {0, 4, 4, 3}, {0, -1, 5, 5}, {0, 11, 0, 0}, {0, kHuge, kHuge, kHuge}, {0, 1, kHuge, 3}};
  for (const SplitRequest& row : rows) {
    expect_error(caught([&] { make_split(data, row); }), ExitCode::data,
                 {"set/dataset.json: split: asked for", "the data set has 10 labelled cases of 15"});
  }
  const SplitRequest senseless[] = {{0, 0, 0, 0}, {0, -2, 0, 0}, {0, 1, -1, 0}, {0, 1, 0, -1}};
  for (const SplitRequest& row : senseless) {
    expect_error(caught([&] { make_split(data, row); }), ExitCode::data, {"expected labelled of at least 1"});
  }
  CHECK(make_split(data, {0, 4, 3, 3}).labelled.size() == 4);
}

TEST_CASE("SHA-256 as FIPS 180-4 has it") {
  const TemporaryFolder folder;
  CHECK(sha256_of_file(folder.write("e", "")) ==
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_of_file(folder.write("a", "abc")) ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256_of_file(folder.write("m", std::string(1'000'000, 'a'))) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  expect_error(caught([&] { sha256_of_file(folder / "none"); }), ExitCode::data, {"none"});
  expect_error(caught([&] { sha256_of_file(folder.path()); }), ExitCode::data, {folder.path().string()});
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);  // a pipe would be waited for
  expect_error(caught([&] { sha256_of_file(folder / "pipe"); }), ExitCode::data, {"pipe", "expected a file"});
}

TEST_CASE("split.json: round trip, and changed data is named") {
  const TemporaryFolder folder;
  const Dataset data = make_data(8, 2, &folder);
  Split split = make_split(data, {.seed = ~std::uint64_t{0}, .labelled = 2, .validation = 2, .report = 1});
  hash_split(split);
  write_split(folder / "split.json", split);
  const Split again = read_split(folder / "split.json");
  CHECK(again.seed == split.seed);
  CHECK(ids(again.labelled) == ids(split.labelled));
  CHECK(ids(again.unlabelled) == ids(split.unlabelled));
  CHECK(again.report[0].label == split.report[0].label);
  CHECK(again.report[0].label_sha256 == split.report[0].label_sha256);
  write_split(folder / "again.json", again);
  CHECK(contents_of(folder / "again.json") == contents_of(folder / "split.json"));
  verify_split(again);

  const std::string label = again.labelled[0].label.string(), image = again.unlabelled[0].image.string();
  std::filesystem::remove(image);
  folder.write("lab/" + again.labelled[0].id + ".nii", "other");
  expect_error(caught([&] { verify_split(again); }), ExitCode::data,
               {label + " of case " + again.labelled[0].id + " (changed)", image, "(missing)"});
}

TEST_CASE("of a pair header and voxels are recorded, whichever is named") {
  for (const char* named : {"case.hdr", "case.img"}) {
    const TemporaryFolder folder;
    folder.write("case.hdr", "header");
    folder.write("case.img", "voxels");
    Split split;
    split.unlabelled.emplace_back().id = "case";
    split.unlabelled[0].image = folder / named;
    hash_split(split);
    verify_split(split);
    for (const char* changed : {"case.hdr", "case.img"}) {
      const std::string before = contents_of(folder / changed);
      folder.write(changed, "others");
      expect_error(caught([&] { verify_split(split); }), ExitCode::data, {named, "(changed)"});
      folder.write(changed, before);
    }
    verify_split(split);
  }
}

TEST_CASE("files that are no split.json") {
  const std::string head = R"({"format": "duet-split-1", "seed": "1", )";
  const std::string rest = R"("validation": [], "report": [], "unlabelled": [])";
  const std::pair<std::string, const char*> rows[] = {
      {"{", "unexpected end"},
      {"[]", "expected format"},
      {R"({"format": 5})", "expected format"},
      {R"({"format": "duet-split-1", "seed": 5})", "seed: expected text, found number 5"},
      {R"({"format": "duet-split-1", "seed": "-1"})", "seed: expected an integer"},
      {R"({"format": "duet-split-1", "seed": "99999999999999999999"})", "seed: expected an integer"},
      {head + R"("labelled": 5, )" + rest + "}", "labelled: expected a list"},
      {head + R"("labelled": [5], )" + rest + "}", "labelled: expected a case, found number 5"},
      {head + R"("labelled": [{"id": "a"}], )" + rest + "}", "image: expected text"},
      {head + R"("labelled": [{"id": "a", "image": "i", "image_sha256": "x"}], )" + rest + "}",
       "label: expected text"},
  };
  for (const auto& [contents, wanted] : rows) {
    const TemporaryFolder folder;
    const auto file = folder.write("split.json", contents);
    expect_error(caught([&] { read_split(file); }), ExitCode::data, {file.string() + ":", wanted});
  }
}

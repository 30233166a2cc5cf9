// The file that keeps chosen convolutions: what comes back, and what is left alone.
#include "engine/backend/cuda/plan_file.h"

#include <doctest/doctest.h>

#include "tests/io/temporary_folder.h"

namespace duet::testing {
namespace {

using cuda::PlanFile;

constexpr const char* kOneCard = "cuDNN 9.19.0 on one card";
constexpr const char* kOtherCard = "cuDNN 9.19.0 on another card";

std::string name_at(const std::string& path, const char* card, const std::string& key) {
  const PlanFile file(path, card);
  const cuda::StoredPlan* plan = file.find(key);
  return plan ? plan->name : "";
}

}  // namespace

TEST_CASE("plans come back as they were kept, the last one of a key, and so does that there is none") {
  const TemporaryFolder folder;
  const std::string path = (folder / "plans").string();
  {
    PlanFile file(path, kOneCard);
    CHECK_FALSE(file.find("1,2"));
    file.add("1,2", {"engine 1", "{\n\t\"engine\": 1\r\n}", false});
    file.add("1,3", {});
    file.add("1,2", {"engine\t2", "{}", true});
    CHECK(file.find("1,2")->through_scratch);
  }
  const PlanFile again(path, kOneCard);
  REQUIRE(again.find("1,2"));
  CHECK(again.find("1,2")->name == "engine 2");
  CHECK(again.find("1,2")->json == "{}");
  CHECK(again.find("1,2")->through_scratch);
  REQUIRE(again.find("1,3"));
  CHECK(again.find("1,3")->json.empty());
  CHECK(folder.files() == 1);
}

TEST_CASE("JSON over several lines is kept on one") {
  const TemporaryFolder folder;
  const std::string path = (folder / "plans").string();
  PlanFile(path, kOneCard).add("1", {"engine 1", "{\n\t\"engine\": 1\r\n}", false});
  const PlanFile again(path, kOneCard);
  REQUIRE(again.find("1"));
  CHECK(again.find("1")->json == "{  \"engine\": 1  }");
}

TEST_CASE("what was made with something else is not used, and stays until there is something to write") {
  const TemporaryFolder folder;
  const std::string path = (folder / "plans").string();
  PlanFile(path, kOneCard).add("1", {"engine 1", "{}", false});
  const std::string before = contents_of(path);
  CHECK(name_at(path, kOtherCard, "1").empty());
  CHECK(contents_of(path) == before);
  PlanFile(path, kOtherCard).add("2", {"engine 2", "{}", false});
  CHECK(name_at(path, kOtherCard, "2") == "engine 2");
  CHECK(name_at(path, kOneCard, "1").empty());
}

TEST_CASE("a process with another card that adds to the file meanwhile leaves nothing that is used here") {
  const TemporaryFolder folder;
  const std::string path = (folder / "plans").string();
  PlanFile(path, kOtherCard).add("1", {"engine 1", "{}", false});
  PlanFile late(path, kOtherCard);                               // found its own file, and adds to it ...
  PlanFile(path, kOneCard).add("2", {"engine 2", "{}", false});  // ... which is another one's by then
  late.add("3", {"engine 3", "{}", false});
  CHECK(name_at(path, kOneCard, "3").empty());
  CHECK(name_at(path, kOneCard, "2") == "engine 2");
}

TEST_CASE("a damaged line is left out alone, and gone once the file is written") {
  const TemporaryFolder folder;
  const std::string path = (folder / "plans").string();
  {
    PlanFile file(path, kOneCard);
    for (const char* key : {"1", "2", "3"}) file.add(key, {text("engine ", key), "{}", false});
  }
  std::string bytes = contents_of(path);
  bytes[bytes.find("engine 2") + 7] = '4';
  folder.write("plans", bytes.substr(0, bytes.size() - 1));  // and its last line does not end
  CHECK(name_at(path, kOneCard, "1") == "engine 1");
  CHECK(name_at(path, kOneCard, "2").empty());
  CHECK(name_at(path, kOneCard, "3") == "engine 3");
  PlanFile(path, kOneCard).add("4", {"engine 4", "{}", false});
  CHECK(contents_of(path).find("engine 1") != std::string::npos);
  CHECK(contents_of(path).find("{}\n", contents_of(path).find("engine 4")) != std::string::npos);
  for (const char* key : {"1", "3", "4"}) CHECK(name_at(path, kOneCard, key) == text("engine ", key));
}

TEST_CASE("a file of somebody else's and one that cannot be written are left alone") {
  const TemporaryFolder folder;
  const std::string path = (folder / "letter").string();
  folder.write("letter", "Dear reader,\n");
  PlanFile file(path, kOneCard);
  file.add("1", {"engine 1", "{}", false});
  CHECK(contents_of(path) == "Dear reader,\n");
  PlanFile nowhere((folder / "no folder/plans").string(), kOneCard);
  nowhere.add("1", {"engine 1", "{}", false});
  CHECK(folder.files() == 1);
  PlanFile none("", kOneCard);
  none.add("1", {"engine 1", "{}", false});
  CHECK_FALSE(none.find("1"));
}

}  // namespace duet::testing

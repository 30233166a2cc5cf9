// Arrays split over several files, and indexes that are not to be trusted.
#include "io/weights/shards.h"

#include <doctest/doctest.h>

#include "tests/io/temporary_folder.h"

using namespace duet;
using namespace duet::testing;

namespace {

SafetensorsFile three_arrays() {
  SafetensorsFile file;
  file.metadata = {{"iteration", "7"}};
  for (const char* name : {"a", "b", "c"}) {
    file.arrays.push_back(
        make_array<float>(name, {4}, std::vector<float>{1, 2, 3, static_cast<float>(*name)}));
  }
  return file;
}

std::string index_with(const std::string& map) { return R"({"metadata": {}, "weight_map": )" + map + "}"; }

}  // namespace

TEST_CASE("arrays come back from shards as from one file, each shard within its size") {
  const TemporaryFolder folder;
  const SafetensorsFile file = three_arrays();
  write_shards(folder / "w.safetensors", file, 32);  // two arrays of 16 bytes
  CHECK(!std::filesystem::exists(folder / "w.safetensors"));
  CHECK(read_safetensors(folder / "w-00001-of-00002.safetensors").arrays.size() == 2);
  CHECK(read_safetensors(folder / "w-00002-of-00002.safetensors").arrays.size() == 1);
  CHECK(folder.files() == 3);
  CHECK(shards_exist(folder / "w.safetensors"));
  CHECK(!shards_exist(folder / "v.safetensors"));
  const SafetensorsFile again = read_shards(folder / "w.safetensors");
  CHECK(again.metadata == file.metadata);
  REQUIRE(again.arrays.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(again.arrays[i].name == file.arrays[i].name);
    CHECK(again.arrays[i].data == file.arrays[i].data);
  }
}

TEST_CASE("an array larger than a shard has one of its own; what fits stays one file") {
  const TemporaryFolder folder;
  write_shards(folder / "w.safetensors", three_arrays(), 1);
  CHECK(folder.files() == 4);
  write_shards(folder / "v.safetensors", three_arrays(), 48);
  write_shards(folder / "u.safetensors", three_arrays(), 0);
  CHECK(folder.files() == 6);
  CHECK(read_shards(folder / "u.safetensors").arrays.size() == 3);
}

TEST_CASE("an index is refused that is damaged, reaches elsewhere, or does not fit its shards") {
  struct Row {
    std::string index;
    std::vector<std::string> wanted;
  };
  const Row rows[] = {
      {"[]", {"weight_map"}},
      {"{", {"index.json:"}},
      {R"({"weight_map": []})", {"weight_map"}},
      {index_with(R"({"a": 1})"), {"weight_map.a", "number 1"}},
      {index_with(R"({"a": "../s.safetensors"})"), {"beside the index", "../s.safetensors"}},
      {index_with(R"({"a": "/etc/passwd"})"), {"beside the index"}},
      {index_with(R"({"a": ""})"), {"beside the index"}},
      {index_with(R"({"a": "no.safetensors"})"), {"no.safetensors"}},
      {index_with(R"({"a": "s.safetensors", "b": "s.safetensors"})"),
       {"s.safetensors", "array b", "found none"}},
      {index_with("{}"), {}},
  };
  for (const Row& row : rows) {
    const TemporaryFolder folder;
    CAPTURE(row.index);
    SafetensorsFile shard;
    shard.arrays.push_back(make_array<float>("a", {1}, std::vector<float>{1}));
    write_safetensors(folder / "s.safetensors", shard);
    folder.write("w.safetensors.index.json", row.index);
    if (row.wanted.empty()) {
      CHECK(read_shards(folder / "w.safetensors").arrays.empty());
      continue;
    }
    expect_error(caught([&] { read_shards(folder / "w.safetensors"); }), ExitCode::data, row.wanted);
  }
  const TemporaryFolder folder;
  write_safetensors(folder / "s.safetensors", three_arrays());
  folder.write("w.safetensors.index.json", index_with(R"({"a": "s.safetensors"})"));
  expect_error(caught([&] { read_shards(folder / "w.safetensors"); }), ExitCode::data,
               {"array b", "not listed"});
}

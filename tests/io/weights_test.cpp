#include <cstdint>
#include <doctest/doctest.h>
#include <sys/stat.h>

#include "io/weights/safetensors.h"
#include "io/weights/shards.h"
#include "tests/io/temporary_folder.h"

using namespace duet;
using namespace duet::testing;

namespace {

SafetensorsFile sample() {
  SafetensorsFile file;
  file.metadata = {{"format", "duet"}, {"quo\"te", "line\nbreak \xC3\xA9"}};
  file.arrays.push_back(make_array<float>("net.b", {2, 3}, std::vector<float>{1, -2, 3.5f, 0, 1e-40f, 6}));
  file.arrays.push_back(make_array<std::uint8_t>("flags", {3}, std::vector<std::uint8_t>{1, 2, 255}));
  file.arrays.push_back(make_array<double>("a", {}, std::vector<double>{0.1}));
  file.arrays.push_back(make_array<std::int64_t>("step", {1}, std::vector<std::int64_t>{-5}));
  file.arrays.push_back(
      make_array<std::uint64_t>("seed", {1}, std::vector<std::uint64_t>{~std::uint64_t{0}}));
  file.arrays.push_back(make_array<std::int32_t>("empty", {0, 7}, std::vector<std::int32_t>{}));
  return file;
}

// length word + header + data
std::string raw(const std::string& header, std::size_t data) {
  const std::uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + header + std::string(data, '\1');
}

}  // namespace

TEST_CASE("round trip of every type; the same contents give the same bytes") {
  const TemporaryFolder folder;
  const SafetensorsFile file = sample();
  write_safetensors(folder / "a.safetensors", file);
  const SafetensorsFile again = read_safetensors(folder / "a.safetensors");
  CHECK(again.metadata == file.metadata);
  REQUIRE(again.arrays.size() == file.arrays.size());
  for (const NamedArray& array : file.arrays) {
    const NamedArray* found = again.find(array.name);
    REQUIRE(found);
    CHECK(describe(*found) == describe(array));
    CHECK(found->data == array.data);
  }
  CHECK(again.arrays[0].name == "a");
  CHECK(values_of<double>(again.arrays[0]) == std::vector<double>{0.1});
  CHECK(values_of<std::uint64_t>(*again.find("seed"))[0] == ~std::uint64_t{0});
  CHECK_THROWS_AS(values_of<float>(again.arrays[0]), EngineError);
  CHECK(again.find("none") == nullptr);

  SafetensorsFile reversed = file;
  std::reverse(reversed.arrays.begin(), reversed.arrays.end());
  write_safetensors(folder / "b.safetensors", reversed);
  CHECK(contents_of(folder / "a.safetensors") == contents_of(folder / "b.safetensors"));
  const std::string bytes = contents_of(folder / "a.safetensors");
  CHECK(bytes[0] % 8 == 0);
  CHECK(bytes.substr(8, 2) == "{\"");

  write_safetensors(folder / "none.safetensors", {});
  CHECK(read_safetensors(folder / "none.safetensors").arrays.empty());
}

TEST_CASE("a file as other programs write it") {
  const TemporaryFolder folder;
  const std::string header =
      R"({"w":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"__metadata__":{"format":"pt"}}   )";
  const SafetensorsFile file = read_safetensors(folder.write("a.safetensors", raw(header, 8)));
  CHECK(file.metadata.at("format") == "pt");
  CHECK(describe(file.arrays[0]) == "F32 (1,2)");
}

TEST_CASE("headers take no memory for arrays, and are checked all the same") {
  const TemporaryFolder folder;
  constexpr std::uint64_t kBytes = std::uint64_t{1} << 40;  // holes; more than any memory
  const std::string header = text(R"({"w":{"dtype":"F32","shape":[1024,)", kBytes / 4096,
                                  R"(],"data_offsets":[0,)", kBytes, R"(]},"__metadata__":{"a":"b"}})");
  const std::string path = folder.write("a.safetensors", raw(header, 0));
  const std::uint64_t start = std::filesystem::file_size(path);
  std::error_code refused;
  std::filesystem::resize_file(path, start + kBytes, refused);
  if (refused) {
    MESSAGE("skipped: this file system has no file of 1 TiB of holes: " << refused.message());
    return;
  }
  const SafetensorsFile file = read_safetensors(path, Read::headers);
  CHECK(file.metadata.at("a") == "b");
  REQUIRE(file.arrays.size() == 1);
  CHECK(describe(file.arrays[0]) == "F32 (1024,268435456)");
  CHECK(file.arrays[0].data.empty());
  CHECK(read_shards(path, Read::headers).arrays[0].data.empty());
  std::filesystem::resize_file(path, start + kBytes - 1);
  CHECK(caught([&] { read_safetensors(path, Read::headers); }).code == ExitCode::data);
}

TEST_CASE("hostile and broken files are refused by name") {
  const auto one = [](const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return "{\"w\":{\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}}";
  };
  const auto two = [](const std::string& first, const std::string& second) {
    return R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + first +
           R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + second + "}}";
  };
  std::string deep = "{\"w\":";
  for (int i = 0; i < 10'000; ++i) deep += "[";
  struct Row {
    std::string bytes;
    std::vector<std::string> wanted;
  };
  const std::string f32 = "\"F32\"";
  const Row rows[] = {
      {"", {"at least 8 bytes, found 0"}},
      {"abc", {"at least 8 bytes, found 3"}},
      {std::string(8, '\xFF'), {"header of 2 to 0 bytes, found 18446744073709551615"}},
      {std::string(16, '\xFF'), {"found 18446744073709551615"}},
      {std::string("\x09\0\0\0\0\0\0\0{}", 10), {"header of 2 to 2 bytes, found 9"}},
      {std::string("\0\0\0\0\0\0\0\0{}", 10), {"found 0"}},
      {raw("{\"w\":", 0), {"header, column 6"}},
      {raw("[]", 0), {"expected an object"}},
      {raw(deep, 0), {"nested deeper than 8"}},
      {raw("{}", 4), {"expected 0 bytes of data after the header, found 4"}},
      {raw("{\"w\":5}", 0), {"array w: expected an object, found number 5"}},
      {raw("{\"w\":{}}", 0), {"array w: expected dtype", "found none"}},
      {raw(one("5", "[1]", "[0,4]"), 4), {"found number 5"}},
      {raw(one("\"BF16\"", "[2]", "[0,4]"), 4), {"found text \"BF16\""}},
      {raw(one(f32, "5", "[0,4]"), 4), {"expected shape as a list"}},
      {raw(one(f32, "[-1]", "[0,4]"), 4), {"expected shape as a list"}},
      {raw(one(f32, "[1.0]", "[0,4]"), 4), {"expected shape as a list"}},
      {raw(one(f32, "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "[0,4]"), 4), {"at most 16 dimensions"}},
      {raw(one(f32, "[1]", "[0]"), 4), {"expected data_offsets", "found 1 numbers"}},
      {raw(one(f32, "[1]", "[0,4,8]"), 4), {"expected data_offsets"}},
      {raw(one(f32, "[1]", "[4,0]"), 4), {"expected data_offsets", "4, 0"}},
      {raw(one(f32, "[2]", "[0,8]"), 4), {"within the 4 bytes"}},
      {raw(one(f32, "[1]", "[0,9223372036854775807]"), 4), {"within the 4 bytes"}},
      {raw(one(f32, "[1]", "[0,18446744073709551615]"), 4), {"expected data_offsets as a list of integers"}},
      {raw(one(f32, "[2]", "[0,4]"), 4), {"F32 (2) does not fit into 4 bytes"}},
      {raw(one(f32, "[1]", "[0,8]"), 8), {"F32 (1) needs 4 bytes, data_offsets span 8"}},
      {raw(one(f32, "[4294967296,4294967296]", "[0,4]"), 4), {"does not fit into 4 bytes"}},
      {raw(one(f32, "[9223372036854775807,9223372036854775807,0]", "[0,4]"), 4), {"needs 0 bytes"}},
      {raw(two("[0,4]", "[0,4]"), 4), {"overlap"}},
      {raw(two("[0,4]", "[2,6]"), 6), {"array b", "overlap"}},
      {raw(two("[0,4]", "[5,9]"), 9), {"array b", "a gap"}},
      {raw(two("[1,5]", "[5,9]"), 9), {"array a", "a gap"}},
      {raw(two("[0,4]", "[4,8]"), 9), {"expected 8 bytes of data after the header, found 9"}},
      {raw(R"({"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"w":{}})", 0), {"\"w\" stands twice"}},
      {raw(R"({"__metadata__":[]})", 0), {"__metadata__: expected an object"}},
      {raw(R"({"__metadata__":{"a":1}})", 0), {"__metadata__.a: expected text, found number 1"}},
  };
  for (const Row& row : rows) {
    const TemporaryFolder folder;
    const auto file = folder.write("w.safetensors", row.bytes);
    CAPTURE(row.bytes.substr(8 < row.bytes.size() ? 8 : 0, 200));
    const Caught found = caught([&] { read_safetensors(file); });
    expect_error(found, ExitCode::data, row.wanted);
    CHECK(found.message.starts_with(file.string() + ": "));
  }
  expect_error(caught([] { read_safetensors("/nowhere/w"); }), ExitCode::data, {"/nowhere/w"});
  expect_error(caught([] { read_safetensors("/dev/zero"); }), ExitCode::data, {"/dev/zero"});
  expect_error(caught([] { read_safetensors("/tmp"); }), ExitCode::data, {"/tmp"});
  const TemporaryFolder folder;  // a pipe would be waited for
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  expect_error(caught([&] { read_safetensors(folder / "pipe"); }), ExitCode::data,
               {"pipe", "expected a file"});
  MESSAGE("hostile safetensors files: " << std::size(rows) + 3);
}

TEST_CASE("what the program may not write") {
  const TemporaryFolder folder;
  const std::vector<float> values = {1, 2};
  const auto file = folder / "w.safetensors";
  CHECK_THROWS_AS(write_safetensors(file, {{}, {make_array<float>("w", {3}, values)}}), EngineError);
  CHECK_THROWS_AS(write_safetensors(file, {{}, {make_array<float>("__metadata__", {2}, values)}}),
                  EngineError);
  const NamedArray w = make_array<float>("w", {2}, values);
  CHECK_THROWS_AS(write_safetensors(file, {{}, {w, w}}), EngineError);
  CHECK(folder.files() == 0);
  expect_error(caught([&] {
                 write_safetensors("/dev/full", {{}, {w}});
               }),
               ExitCode::filesystem, {"/dev/full"});
}

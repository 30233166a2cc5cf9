#include "io/weights/shards.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>

#include "io/files/files.h"
#include "io/files/json_tree.h"

namespace duet {
namespace fs = std::filesystem;
namespace {

using Kind = JsonNode::Kind;
constexpr JsonLimits kLimits{.bytes = std::uint64_t{16} << 20, .depth = 8};

fs::path index_of(const fs::path& file) { return file.string() + ".index.json"; }

// Arrays by number, first come first served, so that the same arrays give the same files.
std::vector<std::vector<std::size_t>> split(const std::vector<NamedArray>& arrays, std::size_t most_bytes) {
  std::vector<std::vector<std::size_t>> shards;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    const std::size_t more = arrays[i].data.size();
    if (shards.empty() || (most_bytes > 0 && bytes > 0 && bytes + more > most_bytes)) {
      shards.emplace_back();
      bytes = 0;
    }
    shards.back().push_back(i);
    bytes += more;
  }
  return shards;
}

std::string shard_name(const fs::path& file, std::size_t number, std::size_t count) {
  char part[32];
  std::snprintf(part, sizeof part, "-%05zu-of-%05zu", number, count);
  return file.stem().string() + part + file.extension().string();
}

// The shards that the index names, each with the arrays that it should hold.
using WeightMap = std::map<std::string, std::set<std::string>>;

WeightMap read_weight_map(const fs::path& index, const JsonNode& root) {
  const auto fail = [&](const std::string& why) {
    throw Error(ExitCode::data, text(index.string(), ": ", why));
  };
  const JsonNode* map = root.is(Kind::object) ? root.find("weight_map") : nullptr;
  if (!map || !map->is(Kind::object)) fail("expected an object with an object weight_map");
  WeightMap shards;
  std::set<std::string> names;
  for (const JsonMember& member : map->members) {
    const std::string array = visible(member.key, 200);
    if (!member.value.is(Kind::string)) {
      fail(text("weight_map.", array, ": expected a file's name, found ", describe(member.value)));
    }
    const fs::path shard = member.value.text;
    // Nothing but a name: an index cannot reach out of its folder.
    if (shard.empty() || shard != shard.filename() || shard.extension() != ".safetensors") {
      fail(text("weight_map.", array, ": expected a .safetensors file beside the index, found ",
                describe(member.value)));
    }
    if (!names.insert(member.key).second) fail(text("weight_map.", array, ": stands twice"));
    shards[shard.string()].insert(member.key);
  }
  return shards;
}

}  // namespace

void write_shards(const fs::path& file, const SafetensorsFile& contents, std::size_t most_bytes) {
  const auto shards = split(contents.arrays, most_bytes);
  if (shards.size() <= 1) return write_safetensors(file, contents);
  std::size_t total = 0;
  nlohmann::json weight_map = nlohmann::json::object();
  for (std::size_t s = 0; s < shards.size(); ++s) {
    SafetensorsFile part;
    const std::string name = shard_name(file, s + 1, shards.size());
    for (const std::size_t i : shards[s]) {
      part.arrays.push_back(contents.arrays[i]);
      weight_map[contents.arrays[i].name] = name;
      total += contents.arrays[i].data.size();
    }
    write_safetensors(file.parent_path() / name, part);
  }
  nlohmann::json metadata(contents.metadata);
  metadata["total_size"] = total;
  write_file(index_of(file),
             nlohmann::json{{"metadata", metadata}, {"weight_map", weight_map}}.dump(2) + "\n");
}

SafetensorsFile read_shards(const fs::path& file, Read what) {
  const fs::path index = index_of(file);
  if (fs::exists(file) || !fs::exists(index)) return read_safetensors(file, what);
  const JsonNode root = read_json_file(index, kLimits, ExitCode::data);
  SafetensorsFile contents;
  for (const auto& [name, expected] : read_weight_map(index, root)) {
    const fs::path path = index.parent_path() / name;
    SafetensorsFile shard = read_safetensors(path, what);
    for (const std::string& array : expected) {
      if (shard.find(array)) continue;
      throw Error(ExitCode::data, text(path.string(), ": expected array ", visible(array, 200), ", as ",
                                       index.filename().string(), " says, found none"));
    }
    for (NamedArray& array : shard.arrays) {
      if (!expected.contains(array.name)) {
        throw Error(ExitCode::data, text(path.string(), ": array ", visible(array.name, 200),
                                         " is not listed in ", index.filename().string()));
      }
      contents.arrays.push_back(std::move(array));
    }
  }
  std::sort(contents.arrays.begin(), contents.arrays.end(),
            [](const NamedArray& a, const NamedArray& b) { return a.name < b.name; });
  const JsonNode* metadata = root.find("metadata");
  if (metadata && metadata->is(Kind::object)) {
    for (const JsonMember& member : metadata->members) {
      if (member.value.is(Kind::string)) contents.metadata[member.key] = member.value.text;
    }
  }
  return contents;
}

bool shards_exist(const fs::path& file) { return fs::exists(file) || fs::exists(index_of(file)); }

}  // namespace duet

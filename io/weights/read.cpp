#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>

#include "io/files/json_tree.h"
#include "io/weights/safetensors.h"

namespace duet {
namespace {

using Kind = JsonNode::Kind;
constexpr std::uint64_t kLongestHeader = std::uint64_t{16} << 20;
constexpr std::size_t kHighestRank = 16;

// What the header says of one array; the data is read only after all headers were found good.
struct Entry {
  NamedArray array;
  Index begin = 0, end = 0;
};

class Input {
 public:
  explicit Input(const std::filesystem::path& file) : path_(file), file_(nullptr, std::fclose) {
    std::error_code failed;  // before it is opened, as opening a pipe waits for its other end
    if (std::filesystem::exists(file, failed) && !std::filesystem::is_regular_file(file, failed))
      fail("expected a file, found something else");
    file_.reset(std::fopen(file.c_str(), "rb"));
    if (!file_) fail(text("cannot read the file: ", std::strerror(errno)));
    size_ = std::filesystem::file_size(file, failed);
    if (failed) fail(text("cannot read the file: ", failed.message()));
  }
  [[noreturn]] void fail(const std::string& why) const {
    throw Error(ExitCode::data, text(path_.string(), ": ", why));
  }
  void read(void* into, std::size_t count) const {
    if (count > 0 && std::fread(into, 1, count, file_.get()) != count) fail("the file ends too early");
  }
  std::uint64_t size() const { return size_; }

 private:
  std::filesystem::path path_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
  std::uint64_t size_ = 0;
};

std::string read_header(const Input& input) {
  std::uint64_t length = 0;
  if (input.size() < sizeof length) {
    input.fail(text("not a safetensors file: expected at least 8 bytes, found ", input.size()));
  }
  input.read(&length, sizeof length);
  const std::uint64_t most = std::min(kLongestHeader, input.size() - sizeof length);
  if (length < 2 || length > most) {
    input.fail(text("not a safetensors file: expected a header of 2 to ", most, " bytes, found ", length));
  }
  std::string header(static_cast<std::size_t>(length), '\0');
  input.read(header.data(), header.size());
  return header;
}

std::optional<StoredType> type_named(const std::string& name) {
  for (StoredType type : {StoredType::f32, StoredType::f64, StoredType::u8, StoredType::i32, StoredType::i64,
                          StoredType::u64}) {
    if (name == name_of(type)) return type;
  }
  return std::nullopt;
}

// A list of integers of at least 0.
std::vector<Index> sizes_of(const Input& input, const std::string& name, const JsonNode& node,
                            const char* key) {
  const JsonNode* list = node.find(key);
  const auto is_size = [](const JsonNode& item) { return item.is(Kind::integer) && item.integer >= 0; };
  if (!list || !list->is(Kind::list) || !std::all_of(list->items.begin(), list->items.end(), is_size)) {
    input.fail(text("array ", name, ": expected ", key, " as a list of integers of at least 0, found ",
                    list ? describe(*list) : "none"));
  }
  std::vector<Index> sizes;
  for (const JsonNode& item : list->items) sizes.push_back(item.integer);
  return sizes;
}

Entry read_entry(const Input& input, const JsonMember& member, Index data_size) {
  const std::string name = visible(member.key, 200);
  const auto fail = [&](const std::string& why) { input.fail(text("array ", name, ": ", why)); };
  if (!member.value.is(Kind::object)) fail(text("expected an object, found ", describe(member.value)));
  Entry entry;
  entry.array.name = member.key;
  const JsonNode* type = member.value.find("dtype");
  const std::optional<StoredType> known =
      type && type->is(Kind::string) ? type_named(type->text) : std::nullopt;
  if (!known) {
    fail(text("expected dtype F32, F64, U8, I32, I64 or U64, found ", type ? describe(*type) : "none"));
  }
  entry.array.type = *known;
  entry.array.shape = sizes_of(input, name, member.value, "shape");
  if (entry.array.shape.size() > kHighestRank)
    fail(text("expected at most 16 dimensions, found ", describe(entry.array)));
  const std::vector<Index> offsets = sizes_of(input, name, member.value, "data_offsets");
  if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > data_size) {
    fail(text("expected data_offsets [begin, end] within the ", data_size, " bytes of data, found ",
              offsets.size(), " numbers",
              offsets.size() == 2 ? text(": ", offsets[0], ", ", offsets[1]) : ""));
  }
  entry.begin = offsets[0];
  entry.end = offsets[1];
  // A size of 0 makes the product 0 however large the others are; otherwise it may not exceed the data.
  Index bytes = static_cast<Index>(size_of(entry.array.type));
  const bool empty = std::count(entry.array.shape.begin(), entry.array.shape.end(), 0) > 0;
  for (Index size : entry.array.shape) {
    if (!empty && size > data_size / bytes)
      fail(text(describe(entry.array), " does not fit into ", data_size, " bytes"));
    bytes = empty ? 0 : bytes * size;
  }
  if (bytes != entry.end - entry.begin) {
    fail(
        text(describe(entry.array), " needs ", bytes, " bytes, data_offsets span ", entry.end - entry.begin));
  }
  return entry;
}

// In the order of the data: each array begins where the one before ends, the last ends with the file.
void check_layout(const Input& input, std::vector<Entry>& entries, Index data_size) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  Index position = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != position) {
      input.fail(text("array ", visible(entry.array.name, 200), ": expected data to begin at ", position,
                      ", found ", entry.begin, entry.begin < position ? " (arrays overlap)" : " (a gap)"));
    }
    position = entry.end;
  }
  if (position != data_size) {
    input.fail(text("expected ", position, " bytes of data after the header, found ", data_size));
  }
}

std::map<std::string, std::string> read_metadata(const Input& input, const JsonNode& node) {
  std::map<std::string, std::string> metadata;
  if (!node.is(Kind::object)) input.fail(text("__metadata__: expected an object, found ", describe(node)));
  for (const JsonMember& member : node.members) {
    if (!member.value.is(Kind::string)) {
      input.fail(
          text("__metadata__.", visible(member.key), ": expected text, found ", describe(member.value)));
    }
    metadata[member.key] = member.value.text;
  }
  return metadata;
}

}  // namespace

SafetensorsFile read_safetensors(const std::filesystem::path& file, Read what) {
  const Input input(file);
  const std::string header = read_header(input);
  const JsonParse parse = parse_json(header, {.bytes = kLongestHeader, .depth = 8});
  if (parse.problem) {
    input.fail(text("not a safetensors file: header, column ", parse.problem->position.column, ": ",
                    parse.problem->message));
  }
  if (!parse.root.is(Kind::object))
    input.fail(text("header: expected an object, found ", describe(parse.root)));
  const Index data_size = static_cast<Index>(input.size() - sizeof(std::uint64_t) - header.size());
  SafetensorsFile contents;
  std::vector<Entry> entries;
  for (const JsonMember& member : parse.root.members) {
    if (member.key == "__metadata__") {
      contents.metadata = read_metadata(input, member.value);
    } else {
      entries.push_back(read_entry(input, member, data_size));
    }
  }
  check_layout(input, entries, data_size);
  for (Entry& entry : entries) {
    if (what == Read::all) {
      entry.array.data.resize(static_cast<std::size_t>(entry.end - entry.begin));
      input.read(entry.array.data.data(), entry.array.data.size());
    }
    contents.arrays.push_back(std::move(entry.array));
  }
  std::sort(contents.arrays.begin(), contents.arrays.end(),
            [](const NamedArray& a, const NamedArray& b) { return a.name < b.name; });
  return contents;
}

}  // namespace duet

#include "io/dataset/dataset.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "engine/core/errors.h"
#include "io/files/json_tree.h"
#include "io/nifti/paths.h"

namespace duet {
namespace fs = std::filesystem;
namespace {

using Kind = JsonNode::Kind;
constexpr std::size_t kNamedAtMost = 5;    // of a list of bad cases
constexpr std::size_t kMostClasses = 256;  // label maps are u8

// Where a message points: file, then line and column where there is a node.
struct Source {
  fs::path file;
  [[noreturn]] void fail(const JsonNode& at, const std::string& message) const {
    throw Error(ExitCode::data,
                text(file.string(), ':', at.position.line, ':', at.position.column, ": ", message));
  }
  [[noreturn]] void fail(const std::string& message) const {
    throw Error(ExitCode::data, text(file.string(), ": ", message));
  }
};

const JsonNode* member(const JsonNode& object, const char* key) { return object.find(key); }

// {"0": "a", "1": "b", ...} with indices 0..count-1, in any order.
std::vector<std::string> indexed_names(const Source& source, const std::string& key, const JsonNode& node) {
  if (!node.is(Kind::object))
    source.fail(node, text(key, ": expected {\"0\": name, ...}, found ", describe(node)));
  const std::size_t count = node.members.size();
  if (count == 0 || count > kMostClasses) {
    source.fail(node, text(key, ": expected 1 to ", kMostClasses, " entries, found ", count));
  }
  std::vector<std::string> names(count);
  for (const JsonMember& entry : node.members) {
    std::size_t index = 0;
    const char* end = entry.key.data() + entry.key.size();
    const auto [stop, failed] = std::from_chars(entry.key.data(), end, index);
    const bool plain = failed == std::errc() && stop == end && std::to_string(index) == entry.key;
    if (!plain && entry.value.is(Kind::integer)) {
      source.fail(entry.value,
                  text(key, ": expected {\"0\": \"background\", ...}, found \"", visible(entry.key),
                       "\": ", describe(entry.value), ", the other way round (nnU-Net's form)"));
    }
    if (!plain || index >= count) {
      source.fail(entry.value, text(key, ": expected the indices 0 to ", count - 1, " without gaps, found \"",
                                    visible(entry.key), '"'));
    }
    if (!entry.value.is(Kind::string) || entry.value.text.empty()) {
      source.fail(entry.value, text(key, ".", entry.key, ": expected a name, found ", describe(entry.value)));
    }
    names[index] = entry.value.text;
  }
  return names;
}

std::vector<std::string> read_classes(const Source& source, const JsonNode& root) {
  const JsonNode* node = member(root, "labels");
  if (!node)
    source.fail(root, "labels: expected {\"0\": \"background\", \"1\": name, ...}, found no such key");
  std::vector<std::string> classes = indexed_names(source, "labels", *node);
  std::string first = classes[0];
  std::transform(first.begin(), first.end(), first.begin(), [](unsigned char c) { return std::tolower(c); });
  if (first != "background") {
    source.fail(*node, text("labels.0: expected \"background\", found \"", visible(classes[0]), '"'));
  }
  if (classes.size() < 2)
    source.fail(*node, "labels: expected at least one class beside background, found none");
  return classes;
}

fs::path resolve(const Source& source, const JsonNode& node) {
  if (node.text.empty() || node.text.find('\0') != std::string::npos) {
    source.fail(node, text("expected a file name, found ", describe(node)));
  }
  return (fs::absolute(source.file).parent_path() / node.text).lexically_normal();
}

Case read_case(const Source& source, const std::string& list, const JsonNode& node, bool may_have_label) {
  const JsonNode* image = node.is(Kind::object) ? member(node, "image") : &node;
  if (!image || !image->is(Kind::string)) {
    source.fail(node, text(list, ": expected {\"image\": file", may_have_label ? ", \"label\": file" : "",
                           "} or a file name, found ", image ? describe(*image) : "no \"image\""));
  }
  Case result;
  result.image = resolve(source, *image);
  result.id = case_id(result.image);
  if (result.id.empty())
    source.fail(*image, text(list, ": expected an image file, found ", describe(*image)));
  const JsonNode* label = node.is(Kind::object) && may_have_label ? member(node, "label") : nullptr;
  if (!label || label->is(Kind::null)) return result;
  if (!label->is(Kind::string)) {
    source.fail(*label, text(list, ": label of case ", result.id, ": expected a file name, found ",
                             describe(*label)));
  }
  result.label = resolve(source, *label);
  return result;
}

void read_list(const Source& source, const JsonNode& root, const std::string& key, Dataset& data) {
  const JsonNode* list = member(root, key.c_str());
  if (!list && key == "training") source.fail(root, "training: expected a list of cases, found no such key");
  if (!list) return;
  if (!list->is(Kind::list))
    source.fail(*list, text(key, ": expected a list of cases, found ", describe(*list)));
  for (const JsonNode& node : list->items)
    data.cases.push_back(read_case(source, key, node, key == "training"));
}

void check_files(const Source& source, const std::vector<Case>& cases) {
  std::size_t missing = 0;
  std::string named;
  const auto check = [&](const Case& one, const fs::path& file, const char* what) {
    std::error_code ignored;
    const fs::file_status status = fs::status(file, ignored);
    if (fs::exists(status) && !fs::is_directory(status)) return;
    if (missing++ < kNamedAtMost)
      named += text(missing > 1 ? ", " : "", what, ' ', file.string(), " of case ", one.id);
  };
  for (const Case& one : cases) {
    check(one, one.image, "image");
    if (one.labelled()) check(one, one.label, "label");
  }
  if (missing == 0) return;
  const std::string more = missing > kNamedAtMost ? text(" and ", missing - kNamedAtMost, " more") : "";
  source.fail(text(missing, missing == 1 ? " file is" : " files are", " missing: ", named, more));
}

void check_ids(const Source& source, const std::vector<Case>& sorted) {
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end(),
                                        [](const Case& a, const Case& b) { return a.id == b.id; });
  if (twice == sorted.end()) return;
  source.fail(text("case ", twice->id, " stands twice: ", twice->image.string(), " and ",
                   (twice + 1)->image.string()));
}

void warn_about_count(const JsonNode& root, Dataset& data) {
  const JsonNode* stated = member(root, "numTraining");
  const Index found = static_cast<Index>(member(root, "training")->items.size());
  if (!stated || (stated->is(Kind::integer) && stated->integer == found)) return;
  data.warnings.push_back(text(data.file.string(), ": numTraining is ", describe(*stated),
                               ", the list training has ", found, " cases; the list is used"));
}

}  // namespace

std::string case_id(const fs::path& image) { return nifti::name_parts(image.filename()).stem.string(); }

Dataset read_dataset(const fs::path& file) {
  const Source source = {file};
  const JsonNode root = read_json_file(file, {}, ExitCode::data);
  if (!root.is(Kind::object)) source.fail(root, text("expected an object, found ", describe(root)));
  Dataset data;
  data.file = file;
  const JsonNode* name = member(root, "name");
  data.name = name && name->is(Kind::string) ? name->text : file.parent_path().filename().string();
  data.classes = read_classes(source, root);
  if (const JsonNode* modality = member(root, "modality")) {
    data.channels = indexed_names(source, "modality", *modality);
  } else {
    data.channels = {"image"};
    data.warnings.push_back(text(file.string(), ": no key modality; images are taken to have one channel"));
  }
  read_list(source, root, "training", data);
  read_list(source, root, "unlabelled", data);
  warn_about_count(root, data);
  std::stable_sort(data.cases.begin(), data.cases.end(),
                   [](const Case& a, const Case& b) { return a.id < b.id; });
  check_ids(source, data.cases);
  if (std::none_of(data.cases.begin(), data.cases.end(), [](const Case& one) { return one.labelled(); })) {
    source.fail(
        text("expected at least one case with a label, found ", data.cases.size(), " cases and no label"));
  }
  check_files(source, data.cases);
  return data;
}

}  // namespace duet

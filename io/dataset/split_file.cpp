// split.json: {"format": "duet-split-1", "seed": S, "labelled": [{id, image, image_sha256, label,
// label_sha256}], ...}
#include <nlohmann/json.hpp>
#include <set>

#include "engine/core/errors.h"
#include "io/dataset/split.h"
#include "io/files/files.h"
#include "io/files/json_tree.h"

namespace duet {
namespace {

constexpr const char* kFormat = "duet-split-1";
using Kind = JsonNode::Kind;

struct NamedList {
  const char* name;
  std::vector<SplitCase> Split::*cases;
};
constexpr NamedList kLists[] = {{"labelled", &Split::labelled},
                                {"validation", &Split::validation},
                                {"report", &Split::report},
                                {"unlabelled", &Split::unlabelled}};

[[noreturn]] void fail(const std::filesystem::path& file, const JsonNode& at, const std::string& message) {
  throw Error(ExitCode::data,
              text(file.string(), ':', at.position.line, ':', at.position.column, ": ", message));
}

std::string text_member(const std::filesystem::path& file, const JsonNode& node, const char* key,
                        bool required) {
  const JsonNode* value = node.find(key);
  if (!value && !required) return "";
  if (!value || !value->is(Kind::string) || value->text.empty()) {
    fail(file, value ? *value : node,
         text(key, ": expected text, found ", value ? describe(*value) : "no such key"));
  }
  return value->text;
}

}  // namespace

void write_split(const std::filesystem::path& file, const Split& split) {
  using Json = nlohmann::ordered_json;
  Json root;
  root["format"] = kFormat;
  root["seed"] = std::to_string(split.seed);  // as text: JSON readers lose 64-bit integers
  for (const NamedList& list : kLists) {
    Json cases = Json::array();
    for (const SplitCase& one : split.*list.cases) {
      Json entry = {{"id", one.id}, {"image", one.image.string()}, {"image_sha256", one.image_sha256}};
      if (one.labelled()) {
        entry["label"] = one.label.string();
        entry["label_sha256"] = one.label_sha256;
      }
      cases.push_back(std::move(entry));
    }
    root[list.name] = std::move(cases);
  }
  write_file(file, root.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

Split read_split(const std::filesystem::path& file) {
  const JsonNode root = read_json_file(file, {}, ExitCode::data);
  const JsonNode* format = root.find("format");
  if (!format || format->text != kFormat)
    fail(file, root, text("expected format \"", kFormat, "\", found another file"));
  Split split;
  const std::string seed = text_member(file, root, "seed", true);
  const bool digits = seed.find_first_not_of("0123456789") == std::string::npos && seed.size() <= 20;
  try {
    split.seed = digits ? std::stoull(seed) : throw std::out_of_range("seed");
  } catch (const std::out_of_range&) {
    fail(file, *root.find("seed"),
         text("seed: expected an integer of 64 bits, found \"", visible(seed), '"'));
  }
  std::set<std::string> ids;
  for (const NamedList& list : kLists) {
    const JsonNode* cases = root.find(list.name);
    if (!cases || !cases->is(Kind::list)) fail(file, root, text(list.name, ": expected a list of cases"));
    for (const JsonNode& node : cases->items) {
      if (!node.is(Kind::object))
        fail(file, node, text(list.name, ": expected a case, found ", describe(node)));
      SplitCase one;
      one.id = text_member(file, node, "id", true);
      one.image = text_member(file, node, "image", true);
      one.image_sha256 = text_member(file, node, "image_sha256", true);
      one.label = text_member(file, node, "label", list.cases != &Split::unlabelled);
      one.label_sha256 = text_member(file, node, "label_sha256", one.labelled());
      if (!ids.insert(one.id).second) fail(file, node, text("case ", one.id, " stands twice"));
      (split.*list.cases).push_back(std::move(one));
    }
  }
  return split;
}

}  // namespace duet

#include "io/files/json_tree.h"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

#include "io/files/files.h"

namespace duet {
namespace {

using Json = nlohmann::json;

// Where the reader is, and where the latest token of each sort began. The parser reads one character past a
// number or a word before it reports it, so starts are kept, not ends.
struct TextCounter {
  TextPosition here = {1, 0};
  TextPosition word, string, bracket;
  bool in_word = false, in_string = false, escaped = false;

  void take(char c) {
    const bool continuation = (static_cast<unsigned char>(c) & 0xC0u) == 0x80u;
    if (!continuation) ++here.column;
    if (in_string) {
      if (escaped) {
        escaped = false;
      } else if (c == '\\') {
        escaped = true;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      string = here;
      in_string = true;
      in_word = false;
    } else if (c == '{' || c == '[') {
      bracket = here;
      in_word = false;
    } else if (c == '}' || c == ']' || c == ',' || c == ':' || c == ' ' || c == '\t' || c == '\r' ||
               c == '\n') {
      in_word = false;
    } else if (!in_word) {
      word = here;
      in_word = true;
    }
    if (c == '\n') here = {here.line + 1, 0};
  }
};

// Input iterator over the text that tells the counter of every character it passes.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, TextCounter* counter) : at_(at), counter_(counter) {}
  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    counter_->take(*at_++);
    return *this;
  }
  CountingIterator operator++(int) {
    CountingIterator before = *this;
    ++*this;
    return before;
  }
  friend bool operator==(const CountingIterator& a, const CountingIterator& b) { return a.at_ == b.at_; }
  friend bool operator!=(const CountingIterator& a, const CountingIterator& b) { return a.at_ != b.at_; }

 private:
  const char* at_;
  TextCounter* counter_;
};

// Builds the tree. open_ points at the lists and objects not yet closed: each is the last child of the one
// before, whose children do not move while it is open.
class TreeBuilder : public nlohmann::json_sax<Json> {
 public:
  TreeBuilder(const TextCounter& counter, const JsonLimits& limits, JsonParse& result)
      : counter_(counter), limits_(limits), result_(result) {}

  bool null() override { return add(JsonNode::Kind::null, counter_.word) != nullptr; }
  bool boolean(bool value) override {
    JsonNode* node = add(JsonNode::Kind::boolean, counter_.word);
    if (node) node->boolean = value;
    return node != nullptr;
  }
  bool number_integer(number_integer_t value) override { return add_integer(value); }
  bool number_unsigned(number_unsigned_t value) override {
    if (value <= static_cast<number_unsigned_t>(INT64_MAX)) return add_integer(static_cast<Index>(value));
    return add_number(static_cast<double>(value), std::to_string(value));
  }
  bool number_float(number_float_t value, const string_t& written) override {
    return add_number(value, written);
  }
  bool string(string_t& value) override {
    JsonNode* node = add(JsonNode::Kind::string, counter_.string);
    if (node) node->text = std::move(value);
    return node != nullptr;
  }
  bool binary(binary_t&) override { return false; }  // no such thing in text
  bool start_object(std::size_t) override { return open(JsonNode::Kind::object); }
  bool start_array(std::size_t) override { return open(JsonNode::Kind::list); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    if (limits_.refuse_duplicates && !names_.back().insert(name).second) {
      return stop(counter_.string, duet::text("key \"", visible(name), "\" stands twice in one object"));
    }
    open_.back()->members.push_back({std::move(name), counter_.string, {}});
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& error) override {
    std::string message = error.what();  // "[json.exception...] parse error at line L, column C: what"
    const auto drop_through = [&](const char* end) {
      const std::size_t at = message.find(end);
      if (at != std::string::npos) message.erase(0, at + std::string(end).size());
    };
    drop_through("] ");
    if (message.starts_with("parse error")) drop_through(": ");
    return stop(blamed(message), visible(message, 300));
  }

 private:
  // Where the token begins that the message is about; where it does not say, the last character read.
  TextPosition blamed(const std::string& message) const {
    const auto says = [&](const char* words) { return message.find(words) != std::string::npos; };
    if (says("unexpected end of input")) return {counter_.here.line, counter_.here.column + 1};
    if (says("invalid string") || says("unexpected string")) return counter_.string;
    if (says("unexpected '{'") || says("unexpected '['")) return counter_.bracket;
    if (says("invalid literal") || says("invalid number") || says("number overflow")) return counter_.word;
    if (says("unexpected number") || says("unexpected true") || says("unexpected false") ||
        says("unexpected null")) {
      return counter_.word;
    }
    return counter_.here;
  }
  bool stop(TextPosition position, std::string message) {
    result_.problem = JsonProblem{position, std::move(message)};
    return false;
  }
  JsonNode* add(JsonNode::Kind kind, TextPosition position) {
    if (++values_ > limits_.values) {
      stop(position, duet::text("more than ", limits_.values, " values"));
      return nullptr;
    }
    JsonNode* node = &result_.root;
    if (!open_.empty() && open_.back()->is(JsonNode::Kind::list)) {
      node = &open_.back()->items.emplace_back();
    } else if (!open_.empty()) {
      node = &open_.back()->members.back().value;
    }
    node->kind = kind;
    node->position = position;
    return node;
  }
  bool add_integer(Index value) {
    JsonNode* node = add(JsonNode::Kind::integer, counter_.word);
    if (!node) return false;
    node->integer = value;
    node->number = static_cast<double>(value);
    node->text = std::to_string(value);
    return true;
  }
  bool add_number(double value, const std::string& written) {
    JsonNode* node = add(JsonNode::Kind::number, counter_.word);
    if (!node) return false;
    node->number = value;
    node->text = written;
    return true;
  }
  bool open(JsonNode::Kind kind) {
    if (open_.size() >= limits_.depth) {
      return stop(counter_.bracket, duet::text("nested deeper than ", limits_.depth, " levels"));
    }
    JsonNode* node = add(kind, counter_.bracket);
    if (!node) return false;
    open_.push_back(node);
    names_.emplace_back();
    return true;
  }
  bool close() {
    open_.pop_back();
    names_.pop_back();
    return true;
  }

  const TextCounter& counter_;
  const JsonLimits& limits_;
  JsonParse& result_;
  std::vector<JsonNode*> open_;
  std::vector<std::set<std::string>> names_;  // keys so far of each open object
  std::size_t values_ = 0;
};

}  // namespace

const JsonNode* JsonNode::find(std::string_view key) const {
  const auto found =
      std::find_if(members.begin(), members.end(), [&](const JsonMember& m) { return m.key == key; });
  return found == members.end() ? nullptr : &found->value;
}

JsonParse parse_json(std::string_view text, const JsonLimits& limits) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // a byte-order mark is not part of the text
  JsonParse result;
  TextCounter counter;
  TreeBuilder builder(counter, limits, result);
  const CountingIterator begin(text.data(), &counter), end(text.data() + text.size(), &counter);
  const bool good =
      Json::sax_parse(begin, end, &builder, nlohmann::detail::input_format_t::json, true, limits.comments);
  if (!good && !result.problem) result.problem = JsonProblem{counter.here, "not JSON"};
  if (result.problem) result.root = {};
  return result;
}

JsonNode read_json_file(const std::filesystem::path& path, const JsonLimits& limits, ExitCode code) {
  JsonParse parse = parse_json(read_file(path, limits.bytes, code), limits);
  if (!parse.problem) return std::move(parse.root);
  const TextPosition at = parse.problem->position;
  throw Error(code, text(path.string(), ':', at.line, ':', at.column, ": ", parse.problem->message));
}

std::string describe(const JsonNode& node) {
  switch (node.kind) {
    case JsonNode::Kind::null:
      return "null";
    case JsonNode::Kind::boolean:
      return node.boolean ? "true" : "false";
    case JsonNode::Kind::integer:
    case JsonNode::Kind::number:
      return text("number ", visible(node.text, 40));
    case JsonNode::Kind::string:
      return text("text \"", visible(node.text), '"');
    case JsonNode::Kind::object:
      return "an object";
    case JsonNode::Kind::list:
      return text("a list of ", node.items.size());
  }
  return "?";
}

std::string visible(std::string_view text, std::size_t limit) {
  std::string shown;
  for (char c : text.substr(0, limit)) {
    const unsigned char byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7F) {
      shown += c;
    } else {
      char hex[8];
      std::snprintf(hex, sizeof hex, "\\x%02X", byte);
      shown += hex;
    }
  }
  return text.size() > limit ? shown + "..." : shown;
}

}  // namespace duet

// What a page must keep, as checks of its text. Called by report_test.cpp and its siblings.
#pragma once

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace duet::testing {

inline std::size_t count_of(const std::string& piece, const std::string& all) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = all.find(piece, at)) != std::string::npos; at += piece.size()) ++count;
  return count;
}

inline bool has(const std::string& page, const std::string& piece) {
  return page.find(piece) != std::string::npos;
}

struct Tag {
  std::string name;  // "/p" where it closes
  std::map<std::string, std::string> attributes;
  bool empty = false;  // <p/>
};

// The tag whose '<' stands at `at`, which moves behind its '>'; nothing where it is none, or an attribute is
// not quoted or appears twice.
inline std::optional<Tag> read_tag(const std::string& page, std::size_t& at) {
  const auto word = [&] {
    const std::size_t from = at;
    while (at < page.size() && (std::isalnum(static_cast<unsigned char>(page[at])) || page[at] == '-')) ++at;
    return page.substr(from, at - from);
  };
  Tag tag;
  const bool closing = page[++at] == '/';
  if (closing) ++at;
  tag.name = word();
  if (tag.name.empty()) return std::nullopt;
  if (closing) tag.name.insert(0, "/");
  while (at < page.size() && page[at] == ' ') {
    ++at;
    const std::string name = word();
    if (name.empty() || page.compare(at, 2, "=\"") != 0) return std::nullopt;
    const std::size_t end = page.find('"', at + 2);
    if (end == std::string::npos) return std::nullopt;
    if (!tag.attributes.emplace(name, page.substr(at + 2, end - at - 2)).second) return std::nullopt;
    if (tag.attributes[name].find('<') != std::string::npos) return std::nullopt;
    at = end + 1;
  }
  tag.empty = page.compare(at, 2, "/>") == 0;
  if (tag.empty) ++at;
  if (at >= page.size() || page[at++] != '>') return std::nullopt;
  return tag;
}

// Attributes of SVG elements that hold numbers; of rotate(...) what stands in its brackets.
inline bool good_numbers(const Tag& tag) {
  static const std::set<std::string> numeric = {
      "x", "y",     "x1",     "x2",     "y1",      "y2",      "cx",           "cy",
      "r", "width", "height", "points", "viewBox", "opacity", "stroke-width", "transform"};
  for (const auto& [name, value] : tag.attributes) {
    if (!numeric.contains(name)) continue;
    std::string numbers = value;
    if (name == "transform") numbers = value.substr(7, value.size() - 8);
    std::replace(numbers.begin(), numbers.end(), ',', ' ');
    std::istringstream in(numbers);
    std::size_t found = 0;
    for (std::string number; in >> number; ++found) {
      double read = 0;
      const char* end = number.data() + number.size();
      const auto [stop, error] = std::from_chars(number.data(), end, read);
      if (error != std::errc{} || stop != end || !std::isfinite(read) || std::abs(read) > 1e5) return false;
    }
    if (found == 0) return false;
  }
  return true;
}

// What keeps the page from being XML: "" where every tag is closed in order, every '&' begins a reference and
// every attribute of an SVG element that should be a number is one.
inline std::string malformed(const std::string& page) {
  std::vector<std::string> open;
  for (std::size_t at = page.find("<html"); at < page.size();) {
    const std::string near = page.substr(at, 80);
    if (page[at] == '&') {
      bool reference = false;
      for (const char* known : {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"})
        reference |= near.starts_with(known);
      if (!reference) return "a lone &: " + near;
      ++at;
    } else if (const auto tag = read_tag(page, at); !tag) {
      return "no tag: " + near;
    } else if (!good_numbers(*tag)) {
      return "no number: " + near;
    } else if (tag->name[0] == '/') {
      if (open.empty() || "/" + open.back() != tag->name) return "not open: " + near;
      open.pop_back();
    } else if (!tag->empty) {
      open.push_back(tag->name);
    }
    at = !open.empty() && open.back() == "style" ? page.find("</style", at) : page.find_first_of("<&", at);
  }
  return open.empty() ? "" : "never closed: " + open.back();
}

}  // namespace duet::testing

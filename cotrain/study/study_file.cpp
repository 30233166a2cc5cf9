#include "cotrain/study/study_file.h"

#include <algorithm>
#include <cctype>
#include <set>

#include "engine/core/errors.h"
#include "io/files/json_tree.h"

namespace duet {
namespace {

using Kind = JsonNode::Kind;

class Reader {
 public:
  explicit Reader(const std::filesystem::path& file) : file_(file) {}

  [[noreturn]] void fail(const TextPosition& at, const std::string& message) const {
    throw Error(ExitCode::usage, text(file_.string(), ":", at.line, ":", at.column, ": ", message));
  }
  void expect(const JsonNode& node, Kind kind, const std::string& what) const {
    if (!node.is(kind)) fail(node.position, text("expected ", what, ", found ", describe(node)));
  }
  std::string string(const JsonNode& node) const {
    expect(node, Kind::string, "a text");
    return node.text;
  }
  std::vector<std::string> strings(const JsonNode& node) const {
    expect(node, Kind::list, "a list of texts");
    std::vector<std::string> values;
    for (const JsonNode& each : node.items) values.push_back(string(each));
    return values;
  }
  std::string choice(const JsonNode& node, const std::string& first, const std::string& second) const {
    const std::string found = string(node);
    if (found != first && found != second) {
      fail(node.position, text("expected ", first, " or ", second, ", found ", describe(node)));
    }
    return found;
  }

 private:
  const std::filesystem::path& file_;
};

std::string file_name(const std::string& row) {
  std::string name;
  for (const char c : row) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0;
    if (plain) {
      name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else if (!name.empty() && name.back() != '-') {
      name += '-';
    }
  }
  while (!name.empty() && name.back() == '-') name.pop_back();
  return name;
}

StudyRow read_row(const Reader& in, const JsonNode& node) {
  in.expect(node, Kind::object, "a row: an object with \"name\" and \"set\"");
  StudyRow row;
  for (const JsonMember& member : node.members) {
    if (member.key == "name") {
      row.name = in.string(member.value);
    } else if (member.key == "set") {
      row.set = in.strings(member.value);
    } else {
      in.fail(member.position, text("unknown key \"", visible(member.key), "\"; a row has name and set"));
    }
  }
  if (file_name(row.name).empty()) in.fail(node.position, "a row's name needs a letter or a digit");
  return row;
}

std::vector<StudyRow> read_rows(const Reader& in, const JsonNode& node) {
  in.expect(node, Kind::list, "a list of rows");
  std::vector<StudyRow> rows;
  std::set<std::string> names;
  for (const JsonNode& each : node.items) {
    rows.push_back(read_row(in, each));
    if (!names.insert(file_name(rows.back().name)).second) {
      in.fail(each.position, text("another row is called \"", visible(rows.back().name),
                                  "\", or differs from it only in case or punctuation"));
    }
  }
  return rows;
}

std::vector<std::uint64_t> read_seeds(const Reader& in, const JsonNode& node) {
  in.expect(node, Kind::list, "a list of seeds");
  std::vector<std::uint64_t> seeds;
  for (const JsonNode& each : node.items) {
    if (!each.is(Kind::integer) || each.integer < 0) {
      in.fail(each.position, text("expected a whole number of at least 0, found ", describe(each)));
    }
    const auto seed = static_cast<std::uint64_t>(each.integer);
    if (std::find(seeds.begin(), seeds.end(), seed) != seeds.end()) {
      in.fail(each.position, text("seed ", seed, " stands there twice"));
    }
    seeds.push_back(seed);
  }
  return seeds;
}

}  // namespace

Study read_study(const std::filesystem::path& file) {
  constexpr std::size_t kMostRuns = 1000;
  const JsonLimits limits{.bytes = std::size_t{1} << 20, .values = 100'000, .comments = true};
  const JsonNode root = read_json_file(file, limits, ExitCode::usage);
  const Reader in(file);
  in.expect(root, Kind::object, "an object with \"config\", \"seeds\" and \"rows\"");
  Study study;
  std::vector<std::pair<std::string, TextPosition>> named;  // rows, to be there
  for (const auto& [key, position, value] : root.members) {
    if (key == "config") {
      study.config = file.parent_path() / in.string(value);
    } else if (key == "set") {
      study.set = in.strings(value);
    } else if (key == "seeds") {
      study.seeds = read_seeds(in, value);
    } else if (key == "cases") {
      study.cases = in.choice(value, "report", "validation");
    } else if (key == "checkpoint") {
      study.checkpoint = in.choice(value, "last", "best");
    } else if (key == "reference") {
      study.reference = in.string(value);
      named.emplace_back(study.reference, value.position);
    } else if (key == "gap") {
      const std::vector<std::string> ends = in.strings(value);
      if (ends.size() != 2) in.fail(value.position, text("expected two rows' names, found ", ends.size()));
      study.gap_from = ends[0];
      study.gap_to = ends[1];
      for (const std::string& end : ends) named.emplace_back(end, value.position);
    } else if (key == "rows") {
      study.rows = read_rows(in, value);
    } else {
      in.fail(position,
              text("unknown key \"", visible(key),
                   "\"; a study has config, set, seeds, cases, checkpoint, reference, gap and rows"));
    }
  }
  if (study.config.empty()) in.fail(root.position, "expected \"config\", the config of all rows");
  if (study.seeds.empty()) in.fail(root.position, "expected \"seeds\" with at least one");
  if (study.rows.empty()) in.fail(root.position, "expected \"rows\" with at least one");
  if (study.seeds.size() > kMostRuns / study.rows.size()) {
    in.fail(root.position, text("expected at most ", kMostRuns, " runs, found ", study.rows.size(),
                                " rows of ", study.seeds.size(), " seeds"));
  }
  for (const auto& [name, position] : named) {
    const auto is_it = [&name = name](const StudyRow& row) { return row.name == name; };
    if (std::none_of(study.rows.begin(), study.rows.end(), is_it)) {
      in.fail(position, text("expected a row's name, found \"", visible(name), "\""));
    }
  }
  return study;
}

std::vector<StudyRun> study_runs(const Study& study, const std::vector<std::string>& overrides) {
  std::vector<StudyRun> runs;
  std::vector<std::string> faults;
  for (const std::uint64_t seed : study.seeds) {
    for (std::size_t row = 0; row < study.rows.size(); ++row) {
      std::vector<std::string> sets = study.set;
      sets.insert(sets.end(), study.rows[row].set.begin(), study.rows[row].set.end());
      sets.insert(sets.end(), overrides.begin(), overrides.end());
      sets.push_back(text("training.seed=", seed));
      ConfigErrors errors;
      ConfigValues values = read_config(study.config, sets, run_schema(), errors);
      const RunConfig config = to_run_config(values, errors);
      if (study.checkpoint == "best" && config.data.validation == 0) {
        values.fail(errors, "data.validation", "expected at least 1, as the study measures checkpoint best");
      }
      try {
        errors.throw_if_any();
      } catch (const Error& error) {
        faults.push_back(text("row ", study.rows[row].name, ": ", error.what()));
        continue;
      }
      runs.push_back(
          {text(file_name(study.rows[row].name), "_seed_", seed), row, seed, std::move(values), config});
    }
  }
  if (faults.empty()) return runs;
  std::string lines;  // a fault that a row has with every seed once
  std::set<std::string> said;
  for (const std::string& fault : faults) {
    if (said.insert(fault).second) lines += (lines.empty() ? "" : "\n") + fault;
  }
  throw Error(ExitCode::usage, lines);
}

}  // namespace duet

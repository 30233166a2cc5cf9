#include "cotrain/study/run_study.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>

#include "cotrain/report/page.h"
#include "cotrain/study/assess.h"
#include "cotrain/study/tables.h"
#include "engine/core/errors.h"
#include "engine/core/parallel.h"
#include "io/files/files.h"
#include "io/files/folder_lock.h"
#include "io/files/json_tree.h"

namespace duet {
namespace fs = std::filesystem;
namespace {

using nlohmann::literals::operator""_json_pointer;

// A result of an earlier version lacks keys that are new since: they had what is their default now, but for
// data.split_seed, before which training.seed drew all of the split.
void check_config(const fs::path& file, const RunResult& result, const ConfigValues& wanted) {
  if (!nlohmann::json::parse(result.config)
           .value("/data/split_seed"_json_pointer, nlohmann::json())
           .is_number()) {
    throw Error(ExitCode::usage,
                text(file.string(),
                     ": expected a result whose config has data.split_seed, found "
                     "one of before there was that key, with other validation and report cases "
                     "(take another --out, or remove the file)"));
  }
  auto then = nlohmann::json::parse(to_json(ConfigValues(run_schema())));
  then.merge_patch(nlohmann::json::parse(result.config));
  auto now = nlohmann::json::parse(to_json(wanted));
  for (auto* config : {&then, &now}) (*config)["data"].erase("dataset");
  const std::string differing = differing_keys(then.dump(), now.dump());
  if (differing.empty()) return;
  throw Error(ExitCode::usage, text(file.string(),
                                    ": expected a result of the study's config, found other "
                                    "values (take another --out, or remove the file):",
                                    differing));
}

// Whether a result was measured as the study says, on the classes that the others have.
void check_measured(const fs::path& file, const RunResult& result, const Study& study, const StudyRun& run,
                    const RunResult& first) {
  const auto expect = [&](const std::string& what, const std::string& wanted, const std::string& found) {
    if (wanted == found) return;
    throw Error(ExitCode::usage, text(file.string(), ": expected a result of ", what, ' ', wanted, ", found ",
                                      visible(found, 200), " (take another --out, or remove the file)"));
  };
  const auto names = [](const std::vector<std::string>& classes) {
    std::string line;
    for (const std::string& each : classes) line += (line.empty() ? "" : ", ") + each;
    return line;
  };
  expect("cases", study.cases, result.set);
  expect("checkpoint", study.checkpoint, result.checkpoint);
  expect("seed", std::to_string(run.seed), std::to_string(result.seed));
  expect("classes", names(first.classes), names(result.classes));
  const std::size_t networks = network_configs(run.config).size();
  const auto predictors = networks == 2 ? std::vector<std::string>{"network 1", "network 2", "pair"}
                                        : std::vector<std::string>{"network 1"};
  expect("predictors", names(predictors), names(result.predictors));
}

// Rows are compared case by case: what has one name must be one image with one label in all of them, and runs
// that draw their cases alike must have the same ones (a data set that grew has others).
class CasesOfStudy {
 public:
  void add(const fs::path& file, const RunConfig& config, const RunResult& result) {
    std::vector<std::string> ids;
    for (const CaseResult& each : result.cases) ids.push_back(each.id);
    std::ranges::sort(ids);
    const DataConfig& data = config.data;
    const auto [drawn, first] = drawn_.emplace(
        std::tuple(result.set, data.split_seed, data.validation, data.report), Drawn{file, ids});
    if (!first && drawn->second.ids != ids) {
      const auto& others = drawn->second.ids;
      const auto odd = std::ranges::find_if(
          ids, [&](const std::string& id) { return !std::ranges::binary_search(others, id); });
      throw Error(ExitCode::data,
                  text(file.string(), ": expected the ", others.size(), " cases of ",
                       drawn->second.file.filename().string(), ", found ", ids.size(),
                       odd == ids.end() ? "" : ", among them " + visible(*odd),
                       " (has the data set changed? take another --out, or remove the file)"));
    }
    for (const CaseResult& each : result.cases) {
      if (each.files.empty()) continue;
      const auto [known, fresh] = files_.emplace(each.id, each.files);
      if (fresh || known->second == each.files) continue;
      throw Error(ExitCode::data, text(file.string(), ": case ", visible(each.id),
                                       " is not the image and label that other results of this study were "
                                       "measured on (take another --out, or remove the file)"));
    }
  }

 private:
  struct Drawn {
    fs::path file;
    std::vector<std::string> ids;
  };
  std::map<std::string, std::string> files_;
  std::map<std::tuple<std::string, std::uint64_t, Index, Index>, Drawn> drawn_;
};

// Seconds a step of each row, from what has been measured so far.
class Pace {
 public:
  explicit Pace(std::size_t rows) : seconds_(rows), steps_(rows) {}
  void add(std::size_t row, double seconds, Index steps) {
    seconds_[row] += seconds;
    steps_[row] += static_cast<double>(steps);
  }
  // A row that has not run yet is taken to be like the mean of the others.
  double of_step(std::size_t row) const {
    if (steps_[row] > 0) return seconds_[row] / steps_[row];
    double sum = 0, count = 0;
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      if (steps_[i] == 0) continue;
      sum += seconds_[i] / steps_[i];
      ++count;
    }
    return count > 0 ? sum / count : 0;
  }

 private:
  std::vector<double> seconds_, steps_;
};

class StudyInProgress {
 public:
  StudyInProgress(Backend& backend, const Study& study, const std::vector<StudyRun>& runs,
                  const fs::path& out, const StudyMachine& machine, const StudyEvents& events)
      : backend_(backend),
        study_(study),
        runs_(runs),
        out_(out),
        machine_(machine),
        events_(events),
        done_(runs.size()),
        failed_(runs.size()) {}

  std::vector<RunResult> operator()() {
    make_folder(out_ / "results");
    update();
    if (!results_.empty()) {
      events_.message(text(results_.size(), " of ", runs_.size(), " runs are done already"));
    }
    std::optional<Error> failure;
    while (const std::optional<Claim> claim = next_claim()) {
      if (const std::optional<Error> error = failure_of(claim->run)) {
        events_.message(text(runs_[claim->run].name, ": ", error->what(), "; the other runs go on"));
        failed_[claim->run] = true;
        if (!failure) failure = Error(error->code(), text(runs_[claim->run].name, ": ", error->what()));
        continue;
      }
      update();
    }
    if (results_.size() < runs_.size()) update();  // others may have finished meanwhile
    const auto failed = static_cast<std::size_t>(std::ranges::count(failed_, true));
    if (results_.size() + failed < runs_.size()) {
      events_.message(text(runs_.size() - results_.size() - failed, " of ", runs_.size(),
                           " runs are with other processes; the last of them writes the whole table"));
    }
    if (failure) {
      throw Error(failure->code(),
                  text(failed, " of ", runs_.size(), " runs failed, the first of them ", failure->what()));
    }
    return std::move(results_);
  }

 private:
  struct Claim {
    std::size_t run;
    FolderLock lock;
  };

  // What belongs to the run alone: losses that left the finite numbers, memory that does not hold this patch.
  // All else would stop the other runs, too.
  std::optional<Error> failure_of(std::size_t run) {
    try {
      finish(run);
    } catch (const Error& error) {
      if (error.code() != ExitCode::numerical && error.code() != ExitCode::device) throw;
      return error;
    }
    return std::nullopt;
  }

  // The first run that is neither done nor with another process; nothing where there is none. Processes that
  // share a study hold a lock each on what they work at, which ends with them: a killed one's run is free.
  std::optional<Claim> next_claim() const {
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      if (failed_[i] || fs::exists(result_file(runs_[i]))) continue;
      const fs::path folder = out_ / "claims" / runs_[i].name;
      make_folder(folder);
      std::optional<FolderLock> lock = FolderLock::if_free(folder);
      if (!lock || fs::exists(result_file(runs_[i]))) continue;  // done between the two looks
      return Claim{i, std::move(*lock)};
    }
    return std::nullopt;
  }

  // Reads what is there, other processes' results too, and writes the tables of it.
  void update() {
    const FolderLock lock = FolderLock::when_free(out_);
    results_.clear();
    cases_ = {};
    pace_ = Pace(study_.rows.size());
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      const StudyRun& run = runs_[i];
      const fs::path file = result_file(run);
      done_[i] = fs::exists(file);
      if (!done_[i]) continue;
      results_.push_back(read_result(file));
      check_config(file, results_.back(), run.values);
      check_measured(file, results_.back(), study_, run, results_.front());
      cases_.add(file, run.config, results_.back());
      results_.back().row = study_.rows[run.row].name;  // which may be spelt anew
      pace_.add(run.row, results_.back().seconds, results_.back().iterations);
    }
    write_outputs();
  }

  fs::path result_file(const StudyRun& run) const { return out_ / "results" / (run.name + ".json"); }

  StudyPlace place(std::size_t i, Index iteration) const {
    StudyPlace place{&runs_[i], study_.rows[runs_[i].row].name, static_cast<Index>(i) + 1,
                     static_cast<Index>(runs_.size()), 0};
    for (std::size_t k = i; k < runs_.size(); ++k) {
      if (k > i && done_[k]) continue;
      const Index steps = runs_[k].config.training.iterations - (k == i ? iteration : 0);
      place.seconds_left += pace_.of_step(runs_[k].row) * static_cast<double>(steps);
    }
    return place;
  }

  void finish(std::size_t i) {
    const StudyRun& each = runs_[i];
    events_.started(place(i, 0));
    RunConfig config = each.config;
    config.training.bf16 = config.training.bf16 && machine_.fast_bf16;
    const std::string precision = config.training.bf16 ? "bf16" : "f32";
    const fs::path folder = out_ / "runs" / each.name;
    const bool begun = fs::exists(RunFolder{folder}.config());
    std::optional<std::size_t> peak;
    Index first = 0;
    TrainingEvents events;
    events.message = events_.message;
    events.should_stop = events_.should_stop;
    events.advice = "the same command goes on";
    events.stepped = [&](Index iteration, const StepReport&, double seconds) {
      if (first == 0) first = iteration;
      peak = std::max(peak.value_or(0), backend_.memory->counters().peak_bytes);
      pace_.add(each.row, seconds, 1);
      events_.stepped(place(i, iteration), iteration);
    };
    backend_.convolution->forget_weights();  // of the run before, in this one's memory else
    backend_.memory->reset_peak();
    events.validated = [&](Index iteration, const ValidationScore& score) {
      backend_.memory->reset_peak();  // the figure is of steps
      events_.validated(place(i, iteration), iteration, score);
    };
    const PreparedRun run = prepare_run(folder, each.values, config, begun,
                                        {backend_.name, machine_.versions, precision}, events);
    train(backend_, each.values, config, run.folder, run.data, begun, {}, events);

    AssessOptions options;
    options.row = study_.rows[each.row].name;
    options.set = study_.cases;
    options.dataset = config.data.dataset;
    options.checkpoint = study_.checkpoint;
    options.pictures = out_ / "results";
    options.prefix = each.name + "_";
    options.machine = machine_text(backend_.name, machine_.versions, max_threads(), config.training.bf16);
    options.bf16 = config.training.bf16;
    options.progress = [&](Index, Index) {
      if (events_.should_stop()) {
        throw Error(ExitCode::interrupted,
                    text(folder.string(), ": interrupted while it was measured; the next call does that"));
      }
    };
    RunResult result = assess_run(backend_, folder, options);
    if (peak && first == 1) result.peak_mib = static_cast<double>(*peak) / (1024.0 * 1024.0);
    cases_.add(folder, each.config, result);
    write_result(result_file(each), result);
  }

  // Rows in the study's order, seeds side by side.
  void write_outputs() {
    const auto order = [&](const RunResult& result) {
      const auto named = [&](const StudyRow& row) { return row.name == result.row; };
      return std::find_if(study_.rows.begin(), study_.rows.end(), named) - study_.rows.begin();
    };
    std::stable_sort(results_.begin(), results_.end(), [&](const RunResult& a, const RunResult& b) {
      return std::pair(order(a), a.seed) < std::pair(order(b), b.seed);
    });
    const TextTable table = summary_table(results_, {study_.reference, study_.gap_from, study_.gap_to});
    write_file(out_ / "study.csv", results_csv(results_));
    write_file(out_ / "study.md", as_markdown(table));
    PageInput page;
    page.title = (out_ / "").parent_path().filename().string();
    page.table = as_html(table);
    page.folder = out_ / "results";
    page.runs = results_;
    write_file(out_ / "study.html", html_page(page));
  }

  Backend& backend_;
  const Study& study_;
  const std::vector<StudyRun>& runs_;
  const fs::path& out_;
  const StudyMachine& machine_;
  const StudyEvents& events_;
  Pace pace_{0};
  CasesOfStudy cases_;
  std::vector<RunResult> results_;
  std::vector<bool> done_;    // of the runs: as of the last update
  std::vector<bool> failed_;  // here; another call tries again
};

}  // namespace

std::vector<RunResult> run_study(Backend& backend, const Study& study, const std::vector<StudyRun>& runs,
                                 const fs::path& out, const StudyMachine& machine,
                                 const StudyEvents& events) {
  return StudyInProgress(backend, study, runs, out, machine, events)();
}

}  // namespace duet

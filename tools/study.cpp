// `duet study`: rows of configs times seeds, trained and measured one after another, as one table and one
// page. `duet report`: the same page of one run.
#include <iostream>

#include "cotrain/report/page.h"
#include "cotrain/study/assess.h"
#include "cotrain/study/passes.h"
#include "cotrain/study/run_study.h"
#include "cotrain/study/tables.h"
#include "cotrain/train/run_folder.h"
#include "engine/backend/table.h"
#include "engine/core/errors.h"
#include "engine/core/parallel.h"
#include "io/files/files.h"
#include "tools/command.h"
#include "tools/dice_text.h"
#include "tools/interrupt.h"
#include "tools/progress.h"

namespace duet {
namespace {

struct StudyFlags {
  std::filesystem::path file, out;
  std::vector<std::string> sets;
  DeviceFlags device;
};

std::string place_text(const StudyPlace& place) {
  std::string line = text("[", place.number, "/", place.runs, "] ", place.row, ", seed ", place.run->seed);
  if (place.seconds_left > 0) line += "; study: " + ProgressBar::clock_text(place.seconds_left) + " left";
  return line;
}

StudyEvents events_of(std::unique_ptr<ProgressBar>& bar) {
  const auto print = [&bar](const std::string& line) {
    if (bar) bar->clear();
    std::fprintf(stderr, "%s\n", line.c_str());
  };
  StudyEvents events;
  events.message = print;
  events.started = [&bar, print](const StudyPlace& place) {
    print(place_text(place));
    bar = std::make_unique<ProgressBar>(0, place.run->config.training.iterations);
  };
  events.stepped = [&bar](const StudyPlace& place, Index iteration) {
    bar->show(iteration, place_text(place));
  };
  events.validated = [print](const StudyPlace& place, Index iteration, const ValidationScore& score) {
    print(text(place_text(place), "; iteration ", iteration, ": validation Dice: ", dice_text(score)));
  };
  events.should_stop = interrupted;
  return events;
}

std::string key_of(const std::string& set) { return set.substr(0, set.find('=')); }

// --set comes last, so it may undo what makes a row another one.
void warn_about_overrides(const Study& study, const std::vector<std::string>& sets) {
  for (const StudyRow& row : study.rows) {
    for (const std::string& own : row.set) {
      for (const std::string& set : sets) {
        if (key_of(set) != key_of(own) || set == own) continue;
        std::fprintf(stderr, "warning: row %s: --set %s replaces its own %s\n", row.name.c_str(), set.c_str(),
                     own.c_str());
      }
    }
  }
}

int study_command(const StudyFlags& flags) {
  outlive_readers();
  const Study study = read_study(flags.file);
  warn_about_overrides(study, flags.sets);
  const std::vector<StudyRun> runs = study_runs(study, flags.sets);
  const auto backend = open_device(flags.device);
  bool wants_bf16 = false;
  for (const StudyRun& run : runs) wants_bf16 = wants_bf16 || run.config.training.bf16;
  const StudyMachine machine{vendor_versions(), wants_bf16 && runs_in_bf16(*backend, true)};
  catch_interrupts();
  std::unique_ptr<ProgressBar> bar;
  const std::vector<RunResult> results = run_study(*backend, study, runs, flags.out, machine, events_of(bar));
  bar.reset();
  std::cout << as_markdown(summary_table(results, {study.reference, study.gap_from, study.gap_to})) << '\n'
            << (flags.out / "study.html").string() << '\n';
  return 0;
}

struct ReportFlags {
  std::filesystem::path run, out, dataset;
  std::string cases, which = "last";
  std::vector<Index> passes;
  Index pass_cases = 10;
  DeviceFlags device;
};

// Those asked for; else the report cases, or where the run keeps none those of validation.
std::string cases_of(const ReportFlags& flags) {
  if (!flags.cases.empty()) return flags.cases;
  const Split split = read_split(RunFolder{flags.run}.split());
  if (!split.report.empty()) return "report";
  if (split.validation.empty()) {
    throw Error(ExitCode::data, text(flags.run.string(),
                                     ": expected cases that the run has not trained on, found none "
                                     "(data.report and data.validation are 0)"));
  }
  std::fprintf(stderr, "no report cases (data.report is 0): measuring on the validation cases\n");
  return "validation";
}

int report_command(const ReportFlags& flags) {
  const auto backend = open_device(flags.device);
  const RunConfig config = read_run_config(flags.run);
  AssessOptions options;
  options.row = std::filesystem::path(flags.run / "").parent_path().filename().string();
  options.set = cases_of(flags);
  options.checkpoint = flags.which;
  options.dataset = flags.dataset;
  options.bf16 = runs_in_bf16(*backend, config.training.bf16);
  options.machine = machine_text(backend->name, vendor_versions(), max_threads(), options.bf16);
  const std::filesystem::path out = flags.out.empty() ? flags.run / "report" : flags.out;
  options.pictures = out;
  make_folder(out);
  catch_interrupts();
  ProgressBar bar(0, 1000);
  const auto stop_if_interrupted = [] {
    if (interrupted()) throw Error(ExitCode::interrupted, "duet report: interrupted; nothing was written");
  };
  options.progress = [&](Index done, Index total) {
    stop_if_interrupted();
    bar.show(done * 1000 / total, "cases");
  };
  const RunResult result = assess_run(*backend, flags.run, options);
  bar.clear();
  TextTable passes;
  if (!flags.passes.empty()) {
    ProgressBar passes_bar(0, 1000);
    PassesOptions measured{flags.passes,     options.set,   flags.which,
                           flags.pass_cases, flags.dataset, options.bf16};
    measured.progress = [&](Index done, Index total) {
      stop_if_interrupted();
      passes_bar.show(done * 1000 / total, "passes");
    };
    passes = passes_table(measure_passes(*backend, flags.run, measured));
  }
  PageInput page;
  page.title = options.row;
  page.folder = out;
  page.runs = {result};
  page.passes = as_html(passes);
  const TextTable table = summary_table(page.runs, {});
  page.table = as_html(table);
  write_result(out / "result.json", result);
  write_file(out / "report.html", html_page(page));
  std::cout << as_markdown(table) << '\n';
  if (!passes.rows.empty()) std::cout << as_markdown(passes) << '\n';
  std::cout << (out / "report.html").string() << '\n';
  return 0;
}

}  // namespace

void add_study(Program& program) {
  CLI::App* command = program.app.add_subcommand(
      "study", "train and measure rows of configs times seeds; a table and a page of all of them");
  const auto flags = std::make_shared<StudyFlags>();
  command->add_option("study", flags->file, "STUDY.json")->required();
  command
      ->add_option("--out", flags->out,
                   "folder of the study; what is done there is not done again, and processes of one machine "
                   "with one folder share its runs")
      ->required();
  command->add_option("--set", flags->sets, "key=value for every row, after its own (data.dataset=...)")
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  add_device_flags(*command, flags->device);
  command->callback([&program, flags] { program.run = [flags] { return study_command(*flags); }; });
}

void add_report(Program& program) {
  CLI::App* command =
      program.app.add_subcommand("report", "one run as a page: curves, calibration, best and worst cases");
  const auto flags = std::make_shared<ReportFlags>();
  command->add_option("run", flags->run, "folder of the run")->required();
  command->add_option("--out", flags->out, "folder of report.html, result.json and pictures (RUN/report)");
  command->add_option("--dataset", flags->dataset,
                      "dataset.json, where the data set has moved since the run");
  command
      ->add_option("--cases", flags->cases,
                   "report or validation cases of the run's split (default: report, or where there are "
                   "none validation)")
      ->check(CLI::IsMember({"report", "validation"}));
  command->add_option("--checkpoint", flags->which, "last or best")
      ->check(CLI::IsMember({"last", "best"}))
      ->capture_default_str();
  command
      ->add_option("--passes", flags->passes,
                   "numbers of Monte Carlo passes whose uncertainty maps are held against one of 64")
      ->check(CLI::Range(1, 4000));
  command->add_option("--pass-cases", flags->pass_cases, "of them, on the first so many cases")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  add_device_flags(*command, flags->device);
  command->callback([&program, flags] { program.run = [flags] { return report_command(*flags); }; });
}

}  // namespace duet

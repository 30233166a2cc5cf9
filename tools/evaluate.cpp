// `duet evaluate`: the table of metrics of a folder of segmentations.
#include <algorithm>
#include <iostream>

#include "cotrain/predict/evaluate_cases.h"
#include "engine/core/errors.h"
#include "io/files/files.h"
#include "tools/command.h"

namespace duet {
namespace {

struct EvaluateFlags {
  std::filesystem::path predictions, references, json, csv;
  std::vector<std::string> names;
  int classes = 0;
  bool whole = false;
};

int evaluate_command(const EvaluateFlags& flags) {
  if (flags.whole && (flags.classes > 0 || !flags.names.empty())) {
    throw Error(ExitCode::usage,
                "--whole: takes all foreground classes as one; expected no --classes, no --names");
  }
  std::vector<std::string> names = flags.names;
  if (!names.empty()) names.insert(names.begin(), "background");
  const int classes = names.empty() ? flags.classes : static_cast<int>(names.size());
  if (flags.classes > 0 && flags.classes != classes) {
    throw Error(ExitCode::usage, text("--classes ", flags.classes, ": expected ", flags.classes - 1,
                                      " --names of foreground classes, found ", flags.names.size()));
  }
  const EvaluationReport report =
      evaluate_cases(flags.predictions, flags.references, classes, names, flags.whole);
  if (!flags.json.empty()) write_file(flags.json, table_json(report.table) + "\n");
  if (!flags.csv.empty()) write_file(flags.csv, table_csv(report.table));
  std::cout << table_text(report.table);
  if (!report.unmatched.empty()) {
    constexpr std::size_t kShown = 5;
    std::string ids;
    for (std::size_t i = 0; i < std::min(kShown, report.unmatched.size()); ++i)
      ids += (i > 0 ? ", " : "") + report.unmatched[i];
    std::fprintf(stderr, "%zu of the references have no prediction and do not count: %s%s\n",
                 report.unmatched.size(), ids.c_str(), report.unmatched.size() > kShown ? ", ..." : "");
  }
  for (const std::string& line : report.failures) std::fprintf(stderr, "duet: %s\n", line.c_str());
  return report.failures.empty() ? 0 : static_cast<int>(ExitCode::data);
}

}  // namespace

void add_evaluate(Program& program) {
  auto* command = program.app.add_subcommand("evaluate", "compare segmentations with references");
  command->footer(
      "hd95: 95th percentile of the distances between both surfaces; asd: mean distance of the prediction's\n"
      "surface to the reference's; assd: the mean of that and the same the other way round; all in mm.");
  auto flags = std::make_shared<EvaluateFlags>();
  command->add_option("--predictions", flags->predictions, "folder of segmentations")->required();
  command->add_option("--references", flags->references, "folder of references of the same names")
      ->required();
  command
      ->add_option("--classes", flags->classes,
                   "number of classes with the background (default: from the labels)")
      ->check(CLI::Range(2, 256));
  command->add_option("--names", flags->names, "names of the foreground classes")->delimiter(',');
  command->add_flag("--whole", flags->whole,
                    "all foreground classes as one: where it lies, whatever is what");
  command->add_option("--json", flags->json, "write the table as JSON to this file");
  command->add_option("--csv", flags->csv, "write one line a case and class to this file");
  command->callback([&program, flags] { program.run = [flags] { return evaluate_command(*flags); }; });
}

}  // namespace duet

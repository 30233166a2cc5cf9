// A study, run: what is done is skipped, what was begun goes on, and after each run its tables and its page
// stand in the folder. Processes with one OUT share its runs. Called by `duet study`.
//   OUT/results/<run>.json, <run>_best.png ...: small, all that tables and pages need; copy them to go on
//     elsewhere
//   OUT/runs/<run>/: the run's folder; may be deleted once its result is there
//   OUT/claims/<run>/: empty; locked by the process that works at the run
//   OUT/study.csv  study.md  study.html
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cotrain/study/result.h"
#include "cotrain/study/study_file.h"
#include "cotrain/train/trainer.h"

namespace duet {

// Where a study stands, for whoever waits.
struct StudyPlace {
  const StudyRun* run = nullptr;
  std::string row;
  Index number = 0, runs = 0;  // this run, from 1, of all
  double seconds_left = 0;     // of this run and all that follow, by the steps measured so far; 0: not known
};

struct StudyEvents {
  std::function<void(const std::string& line)> message = [](const std::string&) {};
  std::function<void(const StudyPlace&)> started = [](const StudyPlace&) {};
  std::function<void(const StudyPlace&, Index iteration)> stepped = [](const StudyPlace&, Index) {};
  std::function<void(const StudyPlace&, Index iteration, const ValidationScore&)> validated =
      [](const StudyPlace&, Index, const ValidationScore&) {};
  std::function<bool()> should_stop = [] { return false; };
};

struct StudyMachine {
  std::vector<std::string> versions;  // of libraries
  bool fast_bf16 = false;             // else runs that ask for bf16 go on in f32
};

// Throws what train and assess_run throw; Error(usage) where a result in OUT was made with another config,
// naming the keys; Error(interrupted) after saving. A run whose
// loss leaves the finite numbers, or which does not fit into memory, stops no other: the first such error is
// thrown when all others are done. What was finished before stays. Returns what is done: all
// runs, unless other processes still work at some.
std::vector<RunResult> run_study(Backend& backend, const Study& study, const std::vector<StudyRun>& runs,
                                 const std::filesystem::path& out, const StudyMachine& machine,
                                 const StudyEvents& events);

}  // namespace duet

// A study, or one run, as one self-contained HTML page: no script, no link, pictures and plots inside. Called
// by `duet study` and `duet report`.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cotrain/study/result.h"

namespace duet {

struct PageInput {
  std::string title;
  std::string table;             // the study's summary as an HTML <table>, or empty
  std::filesystem::path folder;  // that the pictures' files are relative to
  std::vector<RunResult> runs;   // rows of a study in its order, seeds of a row side by side; or one run
  std::string passes = {};       // passes_table of study/passes.h as HTML, or empty
};

// Sections: the table; learning curves (validation Dice of the last predictor over iterations, a colour a
// row, thin lines the seeds, a thick one their mean); gradient cosines and norms of the lanes; loss terms
// (one run only); reliability diagrams (seeds of a row pooled); Dice when the most uncertain voxels are left
// out; uncertainty against the number of passes; best, median and worst case of each row's first seed as
// pictures. A section that has nothing to show is left out. Text from outside (names, ids) is escaped. A
// picture whose file is not there is named in words. Throws Error(filesystem) for a picture that cannot be
// read.
std::string html_page(const PageInput& input);

}  // namespace duet

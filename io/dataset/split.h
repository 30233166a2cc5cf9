// Which cases train with labels, which without, which validate and which are kept for the report; decided by
// two seeds and written down as split.json with a SHA-256 of every file. Called by cotrain when a run starts
// and when it resumes. Always: the four lists share no case; only cases of the first three have a label here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/core/shape.h"
#include "io/dataset/dataset.h"

namespace duet {

struct SplitRequest {
  std::uint64_t seed = 0;           // draws the labelled cases
  Index labelled = -1;              // training cases with labels; -1: all that validation and report leave
  Index validation = 0;             // cases looked at during training
  Index report = 0;                 // cases never looked at during training
  std::uint64_t held_out_seed = 1;  // draws validation and report, so that other runs have the same
};

struct SplitCase : Case {
  std::string image_sha256, label_sha256;  // empty until hash_split; of the label where there is one
};

struct Split {
  std::uint64_t seed = 0;                                           // of the labelled cases
  std::vector<SplitCase> labelled, unlabelled, validation, report;  // each sorted by id
};

// Shuffles the labelled cases (Philox, Stream::split, over ids in order), takes report, then validation;
// shuffles the rest, takes labelled; what remains is unlabelled, its labels dropped. So report and validation
// cases depend neither on `labelled` nor on `seed` (what is tuned on one run's validation cases is not
// measured on them in another), and fewer labelled cases are a subset of more. Error(data) where there are
// too few, saying what was asked for and what is there.
Split make_split(const Dataset& data, const SplitRequest& request);

// Fills in the hashes of every file. Error(data) where one cannot be read.
void hash_split(Split& split);

void write_split(const std::filesystem::path& file, const Split& split);  // atomic; Error(filesystem)
Split read_split(const std::filesystem::path& file);  // Error(data) where it is not a split.json

// The recorded cases where `data` has them now, by id, as a data set may have moved; those that it lacks stay
// where they were. What the files hold is verify_split's to see.
Split found_in(Split recorded, const Dataset& data);

// Compares the files with the recorded hashes; Error(data) naming the changed and missing ones.
void verify_split(const Split& recorded);

}  // namespace duet

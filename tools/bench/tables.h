// A profiled step as tables: where its time goes (rows that sum to the step), and what each kernel reaches of
// the machine's peaks, by which implementation.
#pragma once

#include <string>
#include <vector>

#include "tools/bench/measure.h"
#include "tools/bench/peaks.h"

namespace duet::bench {

struct GroupTime {
  std::string name;
  std::uint64_t calls = 0;
  double seconds = 0;
};

// Greatest first; the last row, "between kernels", is what no kernel took: together they are the step.
std::vector<GroupTime> group_times(const Profile& profile);

struct OpRow {
  KernelUse use;
  double gflops = 0, gbs = 0;  // reached, a second
  double of_peak = 0;          // the greater of the two shares of the machine's peaks
  std::string implementation;  // of convolutions
};

// Greatest time first.
std::vector<OpRow> op_rows(Backend& backend, const Profile& profile, const MachinePeaks& peaks);

// The rows of more than 1 % of the step whose implementation is a reference one: "ref...", "gemm:ref". None
// is what a build for speed should have.
std::vector<OpRow> hot_reference_rows(const Profile& profile, const std::vector<OpRow>& rows);

// One line: of the operations whose first tensor has 64 MiB or more, and that reach more of the copy's
// bandwidth than of the machine's products, how many there are and which three reach least. Convolutions are
// left out but for 1x1x1: they move more bytes than those of their tensors.
std::string bound_text(const std::vector<OpRow>& rows, const MachinePeaks& peaks);

std::string groups_text(const Profile& profile);
std::string ops_text(const Profile& profile, const std::vector<OpRow>& rows, const MachinePeaks& peaks);
nlohmann::ordered_json groups_json(const Profile& profile);
nlohmann::ordered_json ops_json(const std::vector<OpRow>& rows);

}  // namespace duet::bench

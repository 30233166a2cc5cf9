#include "tools/bench/tables.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace duet::bench {
namespace {

bool is_reference(const std::string& implementation) {
  return implementation.rfind("ref", 0) == 0 || implementation.find("gemm:ref") != std::string::npos;
}

template <class... Values>
std::string line(const char* format, Values... values) {
  char buffer[400];
  std::snprintf(buffer, sizeof buffer, format, values...);
  return buffer;
}

std::string row_text(const char* name, std::uint64_t calls, double seconds, double of) {
  return line("%-24s %6llu %10.2f %6.1f %%\n", name, static_cast<unsigned long long>(calls), 1e3 * seconds,
              of > 0 ? 100 * seconds / of : 0.0);
}

}  // namespace

std::vector<GroupTime> group_times(const Profile& profile) {
  std::vector<GroupTime> groups;
  GroupTime rest{"between kernels", 0, profile.seconds};
  for (const KernelUse& use : profile.uses) {
    auto at = std::find_if(groups.begin(), groups.end(),
                           [&](const GroupTime& group) { return group.name == use.group; });
    if (at == groups.end()) at = groups.insert(groups.end(), {std::string(use.group), 0, 0.0});
    at->calls += use.calls;
    at->seconds += use.seconds;
    rest.seconds -= use.seconds;
  }
  std::sort(groups.begin(), groups.end(),
            [](const GroupTime& a, const GroupTime& b) { return a.seconds > b.seconds; });
  groups.push_back(rest);
  return groups;
}

std::vector<OpRow> op_rows(Backend& backend, const Profile& profile, const MachinePeaks& peaks) {
  std::vector<OpRow> rows;
  for (const KernelUse& use : profile.uses) {
    OpRow row;
    row.use = use;
    row.gflops = use.flops / use.seconds * 1e-9;
    row.gbs = use.bytes / use.seconds * 1e-9;
    row.of_peak = std::max(row.gflops / peaks.gflops, row.gbs / peaks.gbs);
    if (use.convolution) {
      const ConvolutionUse& c = *use.convolution;
      row.implementation = backend.convolution->implementation(c.pass, c.spec, c.x, c.w, use.dtype);
    }
    rows.push_back(row);
  }
  std::sort(rows.begin(), rows.end(),
            [](const OpRow& a, const OpRow& b) { return a.use.seconds > b.use.seconds; });
  return rows;
}

std::vector<OpRow> hot_reference_rows(const Profile& profile, const std::vector<OpRow>& rows) {
  std::vector<OpRow> hot;
  for (const OpRow& row : rows) {
    if (row.use.seconds > 0.01 * profile.seconds && is_reference(row.implementation)) hot.push_back(row);
  }
  return hot;
}

std::string bound_text(const std::vector<OpRow>& rows, const MachinePeaks& peaks) {
  constexpr double kLarge = 64.0 * 1048576;
  std::vector<const OpRow*> bound;
  for (const OpRow& row : rows) {
    const bool by_memory = row.gbs / peaks.gbs >= row.gflops / peaks.gflops;
    const bool moves_more = row.use.convolution && row.use.convolution->spec.kernel != Triple{1, 1, 1};
    const auto bytes =
        static_cast<double>(row.use.shape.elements()) * static_cast<double>(size_of(row.use.dtype));
    if (by_memory && !moves_more && bytes >= kLarge) bound.push_back(&row);
  }
  std::stable_sort(bound.begin(), bound.end(),
                   [](const OpRow* a, const OpRow* b) { return a->gbs < b->gbs; });
  std::string out =
      text("of a copy's bandwidth, tensors of 64 MiB and more, the least of ", bound.size(), ":");
  for (std::size_t i = 0; i < std::min<std::size_t>(bound.size(), 3); ++i) {
    const OpRow& row = *bound[i];
    out += text(i == 0 ? " " : "; ", std::lround(100 * row.gbs / peaks.gbs), " % ", row.use.kernel, " ",
                shape_label(row.use), " ", name_of(row.use.dtype));
  }
  return out + (bound.empty() ? " none\n" : "\n");
}

std::string groups_text(const Profile& profile) {
  std::string out = line("%-24s %6s %10s %8s\n", "where the step goes", "calls", "ms", "share");
  for (const GroupTime& group : group_times(profile))
    out += row_text(group.name.c_str(), group.calls, group.seconds, profile.seconds);
  return out + row_text("the step", 0, profile.seconds, profile.seconds);
}

std::string ops_text(const Profile& profile, const std::vector<OpRow>& rows, const MachinePeaks& peaks) {
  std::string out = line("peaks of this machine: %.1f GFLOP/s (%s), %.1f GB/s (copy)\n", peaks.gflops,
                         peaks.products, peaks.gbs);
  out += line("%-34s %-36s %-4s %5s %9s %7s %8s %7s %7s  %s\n", "kernel", "shape", "type", "calls", "ms",
              "of step", "GFLOP/s", "GB/s", "of peak", "implementation");
  for (const OpRow& row : rows) {
    out += line("%-34s %-36s %-4s %5llu %9.3f %5.1f %% %8.1f %7.1f %5.0f %%  %s\n",
                std::string(row.use.kernel).c_str(), shape_label(row.use).c_str(), name_of(row.use.dtype),
                static_cast<unsigned long long>(row.use.calls), 1e3 * row.use.seconds,
                100 * row.use.seconds / profile.seconds, row.gflops, row.gbs, 100 * row.of_peak,
                row.implementation.c_str());
  }
  return out + bound_text(rows, peaks);
}

nlohmann::ordered_json groups_json(const Profile& profile) {
  auto json = nlohmann::ordered_json::array();
  for (const GroupTime& group : group_times(profile))
    json.push_back({{"name", group.name}, {"calls", group.calls}, {"seconds", group.seconds}});
  return json;
}

nlohmann::ordered_json ops_json(const std::vector<OpRow>& rows) {
  auto json = nlohmann::ordered_json::array();
  for (const OpRow& row : rows) {
    json.push_back({{"kernel", std::string(row.use.kernel)},
                    {"shape", shape_label(row.use)},
                    {"dtype", name_of(row.use.dtype)},
                    {"calls", row.use.calls},
                    {"seconds", row.use.seconds},
                    {"gflops", row.gflops},
                    {"gbs", row.gbs},
                    {"of_peak", row.of_peak},
                    {"implementation", row.implementation}});
  }
  return json;
}

}  // namespace duet::bench

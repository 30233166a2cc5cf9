#include "tools/bench/floor.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "engine/backend/table.h"
#include "engine/core/errors.h"

namespace duet::bench {
namespace {

using Time = std::optional<AloneTime>;

std::optional<double> better(const Time& a, const Time& b) {
  if (a && b) return std::min(a->seconds, b->seconds);
  if (a) return a->seconds;
  return b ? std::optional<double>(b->seconds) : std::nullopt;
}

std::string milliseconds(const Time& time, std::uint64_t calls) {
  if (!time) return "         -";
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%10.3f", 1e3 * time->seconds * static_cast<double>(calls));
  return buffer;
}

nlohmann::ordered_json time_json(const Time& time) {
  if (!time) return nullptr;
  return {{"seconds", time->seconds}, {"implementation", time->implementation}};
}

// NaN (JSON's null) where the library could not do all of it in that precision.
double factor(double seconds, double floor) { return floor > 0 ? seconds / floor : std::nan(""); }

}  // namespace

Floor measure_floor(const Profile& profile) {
  Floor floor;
  bool all_f32 = true, all_bf16 = true;
  for (const KernelUse& use : profile.uses) {
    if (!use.convolution) continue;
    const ConvolutionUse& c = *use.convolution;
    const auto time = [&](bool bf16, bool blocked) {
      return convolution_alone({c.pass, c.spec, c.x, c.w, bf16, blocked});
    };
    FloorRow row{use, time(false, false), time(false, true), time(true, false), time(true, true)};
    const auto f32 = better(row.f32_plain, row.f32_blocked), bf16 = better(row.bf16_plain, row.bf16_blocked);
    all_f32 = all_f32 && f32;
    all_bf16 = all_bf16 && bf16;
    floor.f32_s += f32.value_or(0) * static_cast<double>(use.calls);
    floor.bf16_s += bf16.value_or(0) * static_cast<double>(use.calls);
    floor.rows.push_back(std::move(row));
  }
  if (floor.f32_s + floor.bf16_s == 0) {
    throw Error(ExitCode::device, "--floor: this build has no library whose convolutions could be timed");
  }
  if (!all_f32) floor.f32_s = 0;
  if (!all_bf16) floor.bf16_s = 0;
  std::sort(floor.rows.begin(), floor.rows.end(),
            [](const FloorRow& a, const FloorRow& b) { return a.use.seconds > b.use.seconds; });
  return floor;
}

std::string floor_text(const Floor& floor, double seconds, const std::string& precision) {
  char buffer[320];
  std::snprintf(buffer, sizeof buffer, "%-34s %-36s %5s %10s | %10s %10s | %10s %10s  (ms of all calls)\n",
                "convolution alone", "shape", "calls", "step", "f32 NDHWC", "blocked", "bf16 NDHWC",
                "blocked");
  std::string out = buffer;
  for (const FloorRow& row : floor.rows) {
    const auto calls = row.use.calls;
    std::snprintf(buffer, sizeof buffer, "%-34s %-36s %5llu %10.3f | %s %s | %s %s\n",
                  std::string(row.use.kernel).c_str(), shape_label(row.use).c_str(),
                  static_cast<unsigned long long>(calls), 1e3 * row.use.seconds,
                  milliseconds(row.f32_plain, calls).c_str(), milliseconds(row.f32_blocked, calls).c_str(),
                  milliseconds(row.bf16_plain, calls).c_str(), milliseconds(row.bf16_blocked, calls).c_str());
    out += buffer;
  }
  std::snprintf(buffer, sizeof buffer,
                "floor (better layout of each): f32 %.4f s, bf16 %.4f s; the step in %s: %.4f s, %.2f times "
                "its floor\n",
                floor.f32_s, floor.bf16_s, precision.c_str(), seconds,
                factor(seconds, floor.seconds(precision)));
  return out + buffer;
}

nlohmann::ordered_json floor_json(const Floor& floor, double seconds, const std::string& precision) {
  nlohmann::ordered_json json = {{"f32_s", floor.f32_s},
                                 {"bf16_s", floor.bf16_s},
                                 {"step_s", seconds},
                                 {"factor", factor(seconds, floor.seconds(precision))}};
  json["convolutions"] = nlohmann::ordered_json::array();
  for (const FloorRow& row : floor.rows) {
    json["convolutions"].push_back({{"kernel", std::string(row.use.kernel)},
                                    {"shape", shape_label(row.use)},
                                    {"calls", row.use.calls},
                                    {"step_s", row.use.seconds},
                                    {"f32_ndhwc", time_json(row.f32_plain)},
                                    {"f32_blocked", time_json(row.f32_blocked)},
                                    {"bf16_ndhwc", time_json(row.bf16_plain)},
                                    {"bf16_blocked", time_json(row.bf16_blocked)}});
  }
  return json;
}

}  // namespace duet::bench

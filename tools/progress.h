// A progress bar with rate and remaining time on stderr, only where that is a terminal. Called by
// subcommands.
#pragma once

#include <chrono>
#include <cmath>
#include <cstdio>
#include <string>
#include <unistd.h>

#include "engine/core/shape.h"

namespace duet {

class ProgressBar {
 public:
  ProgressBar(Index done, Index total) : start_(done), total_(total), began_(Clock::now()), last_(began_) {
    terminal_ = isatty(STDERR_FILENO) != 0;
  }
  ~ProgressBar() { clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void show(Index done, const std::string& note) {
    if (!terminal_) return;
    const auto now = Clock::now();
    if (now - last_ < std::chrono::milliseconds(100) && done != total_) return;
    last_ = now;
    const double seconds = std::chrono::duration<double>(now - began_).count();
    const double rate = seconds > 0 ? static_cast<double>(done - start_) / seconds : 0;
    const double left = rate > 0 ? static_cast<double>(total_ - done) / rate : 0;
    constexpr int kWidth = 30;
    const int filled = total_ > 0 ? static_cast<int>(kWidth * done / total_) : kWidth;
    std::fprintf(stderr, "\r\033[K[%.*s%*s] %lld/%lld  %.2f/s  %s left  %s", filled,
                 "##############################", kWidth - filled, "", static_cast<long long>(done),
                 static_cast<long long>(total_), rate, clock_text(left).c_str(), note.c_str());
    drawn_ = true;
  }
  // Before anything else is printed.
  void clear() {
    if (drawn_) std::fprintf(stderr, "\r\033[K");
    drawn_ = false;
  }

  static std::string clock_text(double seconds) {
    const auto s = std::llround(seconds);
    char buffer[48];
    if (s >= 3600) {
      std::snprintf(buffer, sizeof buffer, "%lld h %02lld min", s / 3600, s / 60 % 60);
    } else if (s >= 60) {
      std::snprintf(buffer, sizeof buffer, "%lld min %02lld s", s / 60, s % 60);
    } else {
      std::snprintf(buffer, sizeof buffer, "%lld s", s);
    }
    return buffer;
  }

 private:
  using Clock = std::chrono::steady_clock;
  Index start_, total_;
  Clock::time_point began_, last_;
  bool terminal_ = false, drawn_ = false;
};

}  // namespace duet

#include "tools/interrupt.h"

#include <atomic>
#include <csignal>

namespace duet {
namespace {

std::atomic<bool> asked{false};

// A second one does not wait: files are replaced whole, so what was saved last stays.
void on_signal(int signal) {
  if (!asked.exchange(true)) return;
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

}  // namespace

void catch_interrupts() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  if (std::signal(SIGHUP, on_signal) == SIG_IGN) std::signal(SIGHUP, SIG_IGN);  // as nohup asked for
}

void outlive_readers() { std::signal(SIGPIPE, SIG_IGN); }

bool interrupted() { return asked.load(); }

}  // namespace duet

#include "tools/interrupt.h"

#include <atomic>
#include <csignal>

namespace duet {
namespace {

std::atomic<bool> asked{false};
void on_signal(int) { asked = true; }

}  // namespace

void catch_interrupts() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
}

bool interrupted() { return asked.load(); }

}  // namespace duet

// Stands in for NVIDIA's driver, as a library of its name that says only that it was opened: so a machine
// without a GPU shows when the driver is looked for.
#include <cstdlib>

namespace {
struct Opened {
  Opened() { setenv("DUET_FAKE_DRIVER", "opened", 1); }
} const opened;
}  // namespace

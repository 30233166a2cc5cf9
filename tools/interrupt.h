// Ctrl-C and SIGTERM ask for a stop; the work saves and ends. Asked twice the program ends at once. Called by
// train, study and report.
#pragma once

namespace duet {

void catch_interrupts();  // from here on
bool interrupted();

}  // namespace duet

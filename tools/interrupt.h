// Ctrl-C, SIGTERM and a terminal that closes ask for a stop; the work saves and ends. Asked twice the program
// ends at once. Called by train, study and report.
#pragma once

namespace duet {

void catch_interrupts();  // from here on
bool interrupted();

// Whoever reads what is printed may go (`| head`); the work goes on. Of train and study, before they print.
void outlive_readers();

}  // namespace duet

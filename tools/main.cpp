// The program `duet`: parses the command line, runs one subcommand, turns errors into exit codes.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <new>
#include <unistd.h>

#include "engine/backend/table.h"
#include "engine/core/errors.h"
#include "tools/command.h"

namespace {

// OpenMP's threads sleep while they wait, unless the environment says otherwise: beside another busy program
// threads that spin make a step two to ten times slower, and alone they gain nothing. The library reads this
// before main, so the program starts over, once; where it cannot, it goes on as it is.
void sleep_while_waiting(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") || std::getenv("GOMP_SPINCOUNT")) return;
  std::error_code failure;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", failure);
  if (failure || ::setenv("OMP_WAIT_POLICY", "passive", 1) != 0) return;
  ::execv(self.c_str(), argv);
}

std::string version_text() {
  std::string version = "duet " DUET_VERSION;
  for (const std::string& line : duet::vendor_versions()) version += "\n" + line;
  return version;
}

void check_subcommand(const CLI::App& app, const std::string& name) {
  std::string known;
  for (const CLI::App* each : app.get_subcommands({})) {
    if (each->get_name() == name) return;
    known += " " + each->get_name();
  }
  throw duet::Error(duet::ExitCode::usage,
                    duet::text("expected one of the subcommands", known, ", found '", name, "'"));
}

int run(int argc, char** argv) {
  duet::Program program;
  program.app.require_subcommand(1);
  // As all other errors look.
  program.app.failure_message([](const CLI::App*, const CLI::Error& error) {
    return duet::text("duet: ", error.what(), "\nRun with --help for more information.\n");
  });
  program.app.set_version_flag("--version", version_text);
  program.app.footer(
      "Exit codes: 0 done, 2 usage or config, 3 input data, 4 file system, 5 numerical failure, 6 device,\n"
      "130 interrupted after saving. Results go to stdout, messages and progress to stderr.");
  duet::add_phantom(program);
  duet::add_train(program);
  duet::add_predict(program);
  duet::add_evaluate(program);
  duet::add_info(program);
  duet::add_config(program);
  duet::add_selftest(program);
  duet::add_bench(program);
  duet::add_study(program);
  duet::add_report(program);
  if (argc > 1 && argv[1][0] != '-') check_subcommand(program.app, argv[1]);
  try {
    program.app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = program.app.exit(error);  // prints help or the message
    return code == 0 ? 0 : static_cast<int>(duet::ExitCode::usage);
  }
  return program.run();
}

}  // namespace

int main(int argc, char** argv) {
  sleep_while_waiting(argv);
  std::signal(SIGXFSZ, SIG_IGN);  // a file-size limit is an error of the write, not the end of the program
  try {
    const int code = run(argc, argv);
    std::cout.flush();
    if (!std::cout || std::fflush(stdout) != 0) {
      std::fprintf(stderr, "duet: cannot write to standard output\n");
      return static_cast<int>(duet::ExitCode::filesystem);
    }
    return code;
  } catch (const duet::Error& error) {
    std::fprintf(stderr, "duet: %s\n", error.what());
    return static_cast<int>(error.code());
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "duet: out of memory\n");
    return static_cast<int>(duet::ExitCode::device);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "duet: %s\n", error.what());
    return static_cast<int>(duet::ExitCode::filesystem);
  }
}

#include "tools/bench/child.h"

#include <array>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <sstream>
#include <sys/wait.h>

#include "engine/core/errors.h"
#include "tools/bench/options.h"

namespace duet::bench {

std::string shell_quoted(const std::string& word) {
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string own_command(const BenchOptions& options) {
  // Resolved here: in the child /proc/self is the shell.
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  return shell_quoted(program) + " bench" + options_text(options) + " --json";
}

nlohmann::json run_child(const std::string& command) {
  std::cout.flush();
  std::FILE* pipe = popen(command.c_str(), "r");
  if (!pipe) throw Error(ExitCode::filesystem, text("cannot start '", command, "'"));
  std::string output;
  std::array<char, 4096> buffer;
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe))
    output.append(buffer.data(), n);
  const int status = pclose(pipe);
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (code != 0) {
    const bool device = code == static_cast<int>(ExitCode::device);  // as a child of ours without memory
    throw Error(device ? ExitCode::device : ExitCode::usage,
                text("'", command, "' should exit with 0, found ", code));
  }

  std::string last;
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind('{', 0) == 0) last = line;
  }
  nlohmann::json parsed = nlohmann::json::parse(last, nullptr, false);
  if (!parsed.is_object()) {
    throw Error(ExitCode::usage, text("'", command, "': expected a last line of JSON, found '",
                                      last.empty() ? output.substr(0, 200) : last, "'"));
  }
  return parsed;
}

}  // namespace duet::bench

// A folder of its own for a test, gone at the end of the scope; and the error of a call as a value.
#pragma once

#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include "engine/core/errors.h"

namespace duet::testing {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    static int count = 0;
    path_ = std::filesystem::temp_directory_path() / text("duet-test-", ::getpid(), '-', count++);
    std::filesystem::create_directories(path_);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

  // Writes a file, and the folders it stands in.
  std::filesystem::path write(const std::string& name, const std::string& contents) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << contents;
    return path_ / name;
  }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path_), {}));
  }

 private:
  std::filesystem::path path_;
};

inline std::string contents_of(const std::filesystem::path& file) {
  std::ifstream input(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(input), {}};
}

// Every file below one folder is below the other, too, byte for byte.
inline void check_same_files(const std::filesystem::path& one, const std::filesystem::path& other) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(one)) {
    if (!entry.is_regular_file()) continue;
    const std::filesystem::path same = other / std::filesystem::relative(entry.path(), one);
    INFO(same.string());
    CHECK(contents_of(entry.path()) == contents_of(same));
  }
}

struct Caught {
  ExitCode code = ExitCode::done;  // done: nothing was thrown
  std::string message;
};

// Anything but duet::Error passes through and fails the test.
inline Caught caught(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return {error.code(), error.what()};
  }
  return {};
}

// Exit code and every wanted piece of the message.
inline void expect_error(const Caught& found, ExitCode code, const std::vector<std::string>& wanted) {
  INFO("message: ", found.message);
  CHECK(found.code == code);
  for (const std::string& piece : wanted) {
    INFO("wanted: ", piece);
    CHECK(found.message.find(piece) != std::string::npos);
  }
}

}  // namespace duet::testing

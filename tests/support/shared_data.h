// Where the real images are, for tests that use them. They are not part of the project: a test without them
// says SKIPPED with a reason and passes, but fails where the environment has CI=true.
#pragma once

#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <optional>
#include <string>

namespace duet::testing {

// The shared folder (environment DUET_SHARED, else the source folder's sibling `shared`), or nothing after
// saying so.
inline std::optional<std::filesystem::path> shared_folder(const std::string& wanted = "") {
  const char* set = std::getenv("DUET_SHARED");
  const std::filesystem::path folder =
      set ? std::filesystem::path(set) : std::filesystem::path(DUET_SOURCE_DIR).parent_path() / "shared";
  std::error_code ignored;
  if (std::filesystem::is_directory(folder / wanted, ignored)) return folder;
  const char* ci = std::getenv("CI");
  if (ci && std::string(ci) == "true") {
    FAIL("shared folder with '" << wanted << "' is missing and CI=true");
  }
  MESSAGE("SKIPPED: no shared folder with '" << wanted << "' (set DUET_SHARED)");
  return std::nullopt;
}

}  // namespace duet::testing

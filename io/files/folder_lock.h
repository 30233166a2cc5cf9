// Keeps two programs from writing into one folder. Called by runs and studies. Held by the kernel, so that it
// ends with the process, however that ends; nothing is left in the folder. A file system that knows no locks
// gives none, silently.
#pragma once

#include <filesystem>
#include <optional>

namespace duet {

class FolderLock {
 public:
  FolderLock() = default;
  // Error(filesystem) where another holder has the folder, or it cannot be opened.
  explicit FolderLock(const std::filesystem::path& folder);
  // Nothing where another holder has it; Error(filesystem) where it cannot be opened.
  static std::optional<FolderLock> if_free(const std::filesystem::path& folder);
  // Once no other holder has it: for moments, as writing a table.
  static FolderLock when_free(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(FolderLock&& other) noexcept;
  FolderLock& operator=(FolderLock&& other) noexcept;

 private:
  int descriptor_ = -1;
};

}  // namespace duet

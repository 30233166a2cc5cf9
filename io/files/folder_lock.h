// Keeps two programs from writing into one folder. Called by runs and studies. Held by the kernel, so that it
// ends with the process, however that ends; nothing is left in the folder.
#pragma once

#include <filesystem>

namespace duet {

class FolderLock {
 public:
  FolderLock() = default;
  // Error(filesystem) where another holder has the folder, or it cannot be opened. A file system that knows
  // no locks gives none, silently.
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(FolderLock&& other) noexcept;
  FolderLock& operator=(FolderLock&& other) noexcept;

 private:
  int descriptor_ = -1;
};

}  // namespace duet

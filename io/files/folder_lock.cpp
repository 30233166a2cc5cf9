#include "io/files/folder_lock.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>
#include <utility>

#include "engine/core/errors.h"

namespace duet {
namespace {

int open_folder(const std::filesystem::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor >= 0) return descriptor;
  throw Error(ExitCode::filesystem, text(folder.string(), ": cannot open: ", std::strerror(errno)));
}

}  // namespace

FolderLock::FolderLock(const std::filesystem::path& folder) {
  std::optional<FolderLock> lock = if_free(folder);
  if (!lock) {
    throw Error(ExitCode::filesystem,
                text(folder.string(), ": in use by another duet; expected one at a time"));
  }
  *this = std::move(*lock);
}

std::optional<FolderLock> FolderLock::if_free(const std::filesystem::path& folder) {
  FolderLock lock;
  lock.descriptor_ = open_folder(folder);
  if (::flock(lock.descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) return std::nullopt;
  return lock;
}

FolderLock FolderLock::when_free(const std::filesystem::path& folder) {
  FolderLock lock;
  lock.descriptor_ = open_folder(folder);
  while (::flock(lock.descriptor_, LOCK_EX) != 0 && errno == EINTR) {
  }
  return lock;
}

FolderLock::~FolderLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

FolderLock::FolderLock(FolderLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

FolderLock& FolderLock::operator=(FolderLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

}  // namespace duet

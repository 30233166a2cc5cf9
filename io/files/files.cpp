#include "io/files/files.h"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <optional>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

namespace duet {
namespace fs = std::filesystem;

namespace {

std::string reason(int error) { return std::strerror(error); }

// write(2) past the file-size limit raises SIGXFSZ, which ends the program by default. It is held back for
// this thread during the call, and taken off the queue where it came, so that only the error code EFBIG
// remains.
ssize_t write_without_signal(int descriptor, const void* bytes, std::size_t count) {
  sigset_t limit_signal, before;
  sigemptyset(&limit_signal);
  sigaddset(&limit_signal, SIGXFSZ);
  pthread_sigmask(SIG_BLOCK, &limit_signal, &before);
  const ssize_t written = ::write(descriptor, bytes, count);
  const int error = errno;
  if (written < 0 && error == EFBIG && !sigismember(&before, SIGXFSZ)) {
    const timespec no_wait = {0, 0};
    sigtimedwait(&limit_signal, nullptr, &no_wait);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return written;
}

// Of /dev/stdout and the like, which stand for a file that this program has open: where that is a regular
// file, one beside it or another offset in it would lose what else is written there.
std::optional<int> named_descriptor(const fs::path& path) {
  const std::string name = path.lexically_normal().string();
  if (name == "/dev/stdout") return STDOUT_FILENO;
  if (name == "/dev/stderr") return STDERR_FILENO;
  for (const std::string_view folder : {"/dev/fd/", "/proc/self/fd/"}) {
    if (!name.starts_with(folder)) continue;
    int number = -1;
    const char* end = name.data() + name.size();
    const auto [stopped, failure] = std::from_chars(name.data() + folder.size(), end, number);
    if (failure == std::errc() && stopped == end) return number;
  }
  return std::nullopt;
}

int open_temporary(const fs::path& target, fs::path& temporary) {
  for (int attempt = 0; attempt < 1000; ++attempt) {
    // Without the target's name, which may be as long as names can be.
    temporary = target.parent_path() / text(".duet-", ::getpid(), '-', attempt, ".tmp");
    const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor >= 0 || errno != EEXIST) return descriptor;
  }
  return -1;
}

void sync_folder(const fs::path& file) {  // makes the rename itself lasting; not every file system can
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

}  // namespace

AtomicFile::AtomicFile(const fs::path& path) : path_(path), target_(path) {
  std::error_code ignored;
  if (const std::optional<int> open = named_descriptor(path)) {
    descriptor_ = ::fcntl(*open, F_DUPFD_CLOEXEC, 0);
    if (descriptor_ < 0) fail("write", errno);
    return;
  }
  if (fs::is_symlink(path, ignored)) {
    const fs::path followed = fs::weakly_canonical(path, ignored);
    if (!followed.empty()) target_ = followed;
  }
  const fs::file_status status = fs::status(target_, ignored);
  if (fs::is_directory(status)) fail("write", EISDIR);
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    descriptor_ = ::open(target_.c_str(), O_WRONLY | O_CLOEXEC);
  } else {
    descriptor_ = open_temporary(target_, temporary_);
  }
  if (descriptor_ < 0) {
    const int error = errno;
    temporary_.clear();
    fail("create", error);
  }
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::fail(const std::string& doing, int error) {
  throw Error(ExitCode::filesystem, text(path_.string(), ": cannot ", doing, " the file: ", reason(error)));
}

void AtomicFile::write(const void* bytes, std::size_t count) {
  const char* next = static_cast<const char*>(bytes);
  while (count > 0) {
    const ssize_t written = write_without_signal(descriptor_, next, count);
    if (written < 0) {
      if (errno == EINTR) continue;
      fail("write", errno);
    }
    if (written == 0) fail("write", ENOSPC);
    next += written;
    count -= static_cast<std::size_t>(written);
  }
}

void AtomicFile::commit() {
  if (::fsync(descriptor_) != 0 && errno != EINVAL && errno != ENOTSUP) fail("write", errno);
  const int closed = ::close(descriptor_);
  descriptor_ = -1;
  if (closed != 0) fail("write", errno);
  if (temporary_.empty()) return;
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail("replace", errno);
  temporary_.clear();
  sync_folder(target_);
}

void write_file(const fs::path& path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

void append_line(const fs::path& path, std::string_view line) {
  const auto fail = [&](int error) {
    throw Error(ExitCode::filesystem, text(path.string(), ": cannot write the file: ", reason(error)));
  };
  const auto close = [](const int* descriptor) { ::close(*descriptor); };
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor < 0) fail(errno);
  const std::unique_ptr<const int, decltype(close)> closing(&descriptor, close);
  char last = '\n';
  const off_t size = ::lseek(descriptor, 0, SEEK_END);
  if (size > 0 && ::pread(descriptor, &last, 1, size - 1) != 1) fail(errno);
  const std::string bytes = text(last == '\n' ? "" : "\n", line, '\n');
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t written = write_without_signal(descriptor, bytes.data() + at, bytes.size() - at);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail(written < 0 ? errno : ENOSPC);
    at += static_cast<std::size_t>(written);
  }
  if (::fsync(descriptor) != 0 && errno != EINVAL && errno != ENOTSUP) fail(errno);
}

std::string read_file(const fs::path& path, std::size_t limit, ExitCode code) {
  const auto fail = [&](const std::string& why) { throw Error(code, text(path.string(), ": ", why)); };
  std::error_code failed;
  if (fs::is_directory(path, failed)) fail("expected a file, found a folder");
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file) fail(text("cannot read the file: ", reason(errno)));
  std::string bytes;
  char buffer[1 << 16];
  // Read up to the end, not up to a size asked beforehand: a pipe has none and a file may grow.
  for (std::size_t got; (got = std::fread(buffer, 1, sizeof buffer, file.get())) > 0;) {
    if (got > limit - bytes.size()) fail(text("expected at most ", limit, " bytes, found more"));
    bytes.append(buffer, got);
  }
  if (std::ferror(file.get())) fail(text("cannot read the file: ", reason(errno)));
  return bytes;
}

void make_folder(const fs::path& path) {
  std::error_code failed;
  fs::create_directories(path, failed);
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return;
  const std::string why = failed ? failed.message() : "a file of that name is in the way";
  throw Error(ExitCode::filesystem, text(path.string(), ": cannot make the folder: ", why));
}

}  // namespace duet

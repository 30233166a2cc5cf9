#include "io/nifti/input_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>
#include <zlib.h>

#include "engine/core/errors.h"

namespace duet::nifti {

InputFile::InputFile(const std::filesystem::path& file) : file_(file) {
  // Not blocking, so that a pipe without a writer is an error and not a wait.
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    throw Error(ExitCode::filesystem, text(file.string(), ": cannot be read: ", std::strerror(errno)));
  }
  struct stat status = {};
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor);
    throw Error(ExitCode::filesystem, text(file.string(), ": expected a file, found ",
                                           S_ISDIR(status.st_mode) ? "a folder" : "a special file"));
  }
  disk_bytes_ = static_cast<std::uint64_t>(status.st_size);
  if (disk_bytes_ == 0) {
    ::close(descriptor);
    throw Error(ExitCode::data, text(file.string(), ": the file is empty"));
  }
  gzFile stream = ::gzdopen(descriptor, "rb");
  if (!stream) {
    ::close(descriptor);
    throw Error(ExitCode::filesystem, text(file.string(), ": no memory to read it"));
  }
  ::gzbuffer(stream, 1u << 17);
  stream_ = stream;
  compressed_ = ::gzdirect(stream) == 0;
}

InputFile::~InputFile() { ::gzclose(static_cast<gzFile>(stream_)); }

std::size_t InputFile::read(std::byte* to, std::size_t count) {
  gzFile stream = static_cast<gzFile>(stream_);
  std::size_t done = 0;
  while (done < count && !truncated_) {
    const unsigned wanted = static_cast<unsigned>(std::min<std::size_t>(count - done, 1u << 26));
    const int got = ::gzread(stream, to + done, wanted);
    if (got > 0) done += static_cast<std::size_t>(got);
    if (got == static_cast<int>(wanted)) continue;
    int code = Z_OK;
    const char* reason = ::gzerror(stream, &code);
    if (code == Z_BUF_ERROR) truncated_ = true;
    if (code == Z_ERRNO) {
      throw Error(ExitCode::filesystem, text(file_.string(), ": cannot be read: ", std::strerror(errno)));
    }
    if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) {
      const std::string_view said = reason;  // "<fd:3>: incorrect data check"
      const std::size_t colon = said.rfind(": ");
      throw Error(ExitCode::data, text(file_.string(), ": the gzip stream is corrupt (",
                                       colon == said.npos ? said : said.substr(colon + 2), ")"));
    }
    if (got <= 0) break;
  }
  return done;
}

bool InputFile::skip(std::uint64_t count) {
  std::vector<std::byte> buffer(static_cast<std::size_t>(std::min<std::uint64_t>(count, 1u << 16)));
  while (count > 0) {
    const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(count, buffer.size()));
    if (read(buffer.data(), wanted) != wanted) return false;
    count -= wanted;
  }
  return true;
}

void InputFile::verify_end() {
  if (!compressed_) return;
  skip(1u << 20);
  if (truncated_) {
    throw Error(ExitCode::data,
                text(file_.string(), ": truncated: the gzip stream has no checksum at its end"));
  }
}

}  // namespace duet::nifti

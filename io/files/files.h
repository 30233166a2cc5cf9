// Whole files, read with a limit and written so that a reader sees the old contents or the new ones, never a
// part. Called by every part of io and by cotrain for checkpoints, metrics and reports. Always: a failed
// write leaves an earlier file of that name as it was and no temporary file behind.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "engine/core/errors.h"

namespace duet {

// Writes into a temporary file beside `path`; commit() flushes it to disk and renames it onto `path`.
// Without commit() the temporary is removed. A `path` that is a device, a pipe or
// stands for an open file (/dev/stdout) is written directly; a symbolic link is followed. Every failure (no
// space, file-size limit, no permission) is Error(filesystem) naming `path`. A file-size limit (ulimit -f) is
// reported as such an error, too: its signal does not reach the program.
class AtomicFile {
 public:
  explicit AtomicFile(const std::filesystem::path& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* bytes, std::size_t count);
  void write(std::string_view bytes) { write(bytes.data(), bytes.size()); }
  void commit();

 private:
  [[noreturn]] void fail(const std::string& doing, int error);

  std::filesystem::path path_;       // as the caller named it, for messages
  std::filesystem::path target_;     // with symbolic links followed
  std::filesystem::path temporary_;  // empty where the target is written directly
  int descriptor_ = -1;
};

// Replaces the file at once, as above.
void write_file(const std::filesystem::path& path, std::string_view bytes);

// Appends `line` and a line end, flushed to disk; the file is made where it is not there. Where the last line
// lacks its end, as after a power cut, that comes first. Error(filesystem), which leaves a part of the line
// at most.
void append_line(const std::filesystem::path& path, std::string_view line);

// The whole file. Missing, unreadable, a folder or larger than `limit` bytes: Error(code) naming it.
std::string read_file(const std::filesystem::path& path, std::size_t limit,
                      ExitCode code = ExitCode::filesystem);

// Makes the folder and its parents; an existing one is fine. Error(filesystem) otherwise.
void make_folder(const std::filesystem::path& path);

}  // namespace duet

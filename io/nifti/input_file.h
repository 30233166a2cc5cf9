// Internal to io/nifti: bounded reading of a plain or gzip file. A gzip stream is known by its content, as
// zlib does.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>

namespace duet::nifti {

class InputFile {
 public:
  // Error(filesystem) when missing, unreadable or not a regular file; Error(data) when empty.
  explicit InputFile(const std::filesystem::path& file);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  // Reads up to `count` bytes; fewer only at the end of the data, also where a gzip stream was cut.
  // Error(data) when the gzip stream is corrupt, Error(filesystem) when reading fails.
  std::size_t read(std::byte* to, std::size_t count);
  // Reads on past `count` bytes; false when the data ends before.
  bool skip(std::uint64_t count);
  // Reads at most 1 MiB more, so that a gzip stream that ends there has its checksum verified. Error(data)
  // where that is cut off.
  void verify_end();

  bool compressed() const { return compressed_; }
  // No more bytes than this can come out: the size of a plain file, deflate's limit of 1032 to 1 for gzip.
  std::uint64_t most_content() const {
    return compressed_ ? std::min(disk_bytes_, std::uint64_t{1} << 50) * 1032 : disk_bytes_;
  }
  std::uint64_t disk_bytes() const { return disk_bytes_; }

 private:
  std::filesystem::path file_;
  void* stream_ = nullptr;  // gzFile
  std::uint64_t disk_bytes_ = 0;
  bool compressed_ = false;
  bool truncated_ = false;  // the gzip stream ended without its trailer
};

}  // namespace duet::nifti

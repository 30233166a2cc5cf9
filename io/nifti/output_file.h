// Internal to io/nifti: io/files' AtomicFile with gzip in front where the name asks for it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

#include "io/files/files.h"

namespace duet::nifti {

// The file appears at commit(), whole; without commit nothing remains. Errors are those of AtomicFile. The
// gzip header holds no time and no name, so equal data give equal bytes.
class OutputFile {
 public:
  OutputFile(const std::filesystem::path& target, bool compressed);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void finish();  // writes the end of the gzip stream; no write after it
  void commit() { file_.commit(); }

 private:
  struct Deflate;
  void deflate(std::span<const std::byte> bytes, bool last);

  AtomicFile file_;
  std::unique_ptr<Deflate> deflate_;  // empty for plain files
};

}  // namespace duet::nifti

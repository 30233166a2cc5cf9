#include "io/nifti/output_file.h"

#include <algorithm>
#include <array>
#include <new>
#include <zlib.h>

namespace duet::nifti {

struct OutputFile::Deflate {
  z_stream stream = {};
  std::array<Bytef, std::size_t{1} << 16> buffer;

  Deflate() {
    // Level 4: a third of level 6's time for a few percent of size. 15 + 16 asks for the largest window and a
    // gzip header.
    if (::deflateInit2(&stream, 4, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
      throw std::bad_alloc();
  }
  ~Deflate() { ::deflateEnd(&stream); }
};

OutputFile::OutputFile(const std::filesystem::path& target, bool compressed) : file_(target) {
  if (compressed) deflate_ = std::make_unique<Deflate>();
}

OutputFile::~OutputFile() = default;

void OutputFile::deflate(std::span<const std::byte> bytes, bool last) {
  z_stream& stream = deflate_->stream;
  auto& buffer = deflate_->buffer;
  stream.next_in =
      reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes.data()));  // zlib does not write to it
  stream.avail_in = static_cast<uInt>(bytes.size());
  do {
    stream.next_out = buffer.data();
    stream.avail_out = static_cast<uInt>(buffer.size());
    ::deflate(&stream, last ? Z_FINISH : Z_NO_FLUSH);
    file_.write(buffer.data(), buffer.size() - stream.avail_out);
  } while (stream.avail_out == 0);
}

void OutputFile::write(std::span<const std::byte> bytes) {
  if (!deflate_) return file_.write(bytes.data(), bytes.size());
  while (!bytes.empty()) {
    const std::size_t part = std::min<std::size_t>(bytes.size(), std::size_t{1} << 24);
    deflate(bytes.first(part), false);
    bytes = bytes.subspan(part);
  }
}

void OutputFile::finish() {
  if (deflate_) deflate({}, true);
}

}  // namespace duet::nifti

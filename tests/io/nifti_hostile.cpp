// Headers that lie: each is refused with one line before libnifti2 sees it, and random damage never crashes.
#include <cmath>
#include <limits>
#include <zlib.h>

#include "engine/core/philox.h"
#include "tests/io/nifti_support.h"

using namespace duet;
using namespace duet::testing;

namespace {

Bytes gzip(const Bytes& plain) {
  Bytes out(::compressBound(plain.size()) + 64);
  z_stream stream = {};
  ::deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  stream.next_in = const_cast<unsigned char*>(plain.data());
  stream.avail_in = static_cast<unsigned>(plain.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<unsigned>(out.size());
  REQUIRE(::deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  return out;
}

struct Hostile {
  const char* what;
  const char* says;  // a part of the message
  RawNifti raw;
};

template <class T>
RawNifti with(RawNifti raw, std::size_t at, T value) {
  raw.put<T>(at, value);
  return raw;
}

RawNifti cut(RawNifti raw, std::size_t size) {
  raw.bytes.resize(size);
  return raw;
}

std::vector<Hostile> hostile_headers() {
  const RawNifti one = raw_nifti1<std::int16_t>(4), two = raw_nifti2<std::int16_t>(4);
  const RawNifti big = raw_nifti1<std::int16_t>(4, true);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::int64_t huge = std::int64_t{1} << 40;
  RawNifti chain = one;  // room for one extension of 32 bytes
  chain.bytes.insert(chain.bytes.begin() + 352, 32, 0);
  chain.put<float>(108, 384.0f);
  chain.put<char>(348, 1);
  return {
      {"dim[0] of 200", "dim[0] is 200", with<std::int16_t>(one, 40, 200)},
      {"dim[0] of 0", "dim[0] is 0", with<std::int16_t>(one, 40, 0)},
      {"dim[0] of -3", "dim[0] is -3", with<std::int16_t>(one, 40, -3)},
      {"dim[0] of 2^40", "dim[0] is 1099511627776", with<std::int64_t>(two, 16, huge)},
      {"dim[0] of -2^40", "dim[0] is -1099511627776", with<std::int64_t>(two, 16, -huge)},
      {"dim[0] turned", "dim[0] is 768", with<std::int16_t>(big, 40, 768)},
      {"negative size", "dim[2] is -3", with<std::int16_t>(one, 44, -3)},
      {"size 0", "dim[3] is 0", with<std::int16_t>(one, 46, 0)},
      {"size 2^40", "bytes", with<std::int64_t>(two, 24, huge)},
      {"size 2^62", "2^48", with<std::int64_t>(two, 24, std::int64_t{1} << 62)},
      {"size -2^63", "dim[1] is -", with<std::int64_t>(two, 24, std::numeric_limits<std::int64_t>::min())},
      {"product overflow", "2^48", with<std::int64_t>(with<std::int64_t>(two, 24, huge), 32, huge)},
      {"size beyond the file", "the file of 400 bytes", with<std::int16_t>(one, 42, 30000)},
      {"one byte short", "declares 400 bytes", cut(one, 399)},
      {"no voxels", "declares 400 bytes", cut(one, 352)},
      {"header cut", "truncated", cut(one, 200)},
      {"header of NIfTI-2 cut", "truncated", cut(two, 400)},
      {"three bytes", "not a NIfTI file", cut(one, 3)},
      {"wrong header size", "not a NIfTI file", with<std::int32_t>(one, 0, 347)},
      {"magic", "magic is 'xx'", with<std::int32_t>(one, 344, 0x7878)},
      {"Analyze 7.5", "Analyze", with<std::int32_t>(one, 344, 0)},
      {"pair's magic", "pair", with<char>(one, 345, 'i')},
      {"magic of NIfTI-2", "magic", with<char>(two, 8, 'x')},
      {"unknown type", "datatype 3", with<std::int16_t>(one, 70, 3)},
      {"float128", "float128", with<std::int16_t>(with<std::int16_t>(one, 42, 1), 70, 1536)},
      {"bitpix", "bitpix is 32, expected 16", with<std::int16_t>(one, 72, 32)},
      {"vox_offset NaN", "vox_offset is nan", with<float>(one, 108, nan)},
      {"vox_offset infinite", "vox_offset is inf", with<float>(one, 108, HUGE_VALF)},
      {"vox_offset huge", "vox_offset", with<float>(one, 108, 1e30f)},
      {"vox_offset far", "bytes", with<float>(one, 108, 1e9f)},
      {"vox_offset negative", "vox_offset is -352", with<float>(one, 108, -352.0f)},
      {"vox_offset in the header", "vox_offset is 100", with<float>(one, 108, 100.0f)},
      {"vox_offset not whole", "whole", with<float>(one, 108, 352.5f)},
      {"vox_offset 2^62", "vox_offset", with<std::int64_t>(two, 168, std::int64_t{1} << 62)},
      {"vox_offset -2^62", "vox_offset", with<std::int64_t>(two, 168, -(std::int64_t{1} << 62))},
      {"extension beyond", "extension 1 says it has 48 bytes", with<std::int32_t>(chain, 352, 48)},
      {"extension negative", "extension 1", with<std::int32_t>(chain, 352, -16)},
      {"extension tiny", "extension 1", with<std::int32_t>(chain, 352, 4)},
      {"extension 2^31 - 1", "extension 1", with<std::int32_t>(chain, 352, 2147483647)},
      {"second extension", "extension 2", with<std::int32_t>(with<std::int32_t>(chain, 352, 16), 368, 32)},
      {"intercept", "scl_inter is nan", with<float>(with<float>(one, 112, 2.0f), 116, nan)},
      {"affine NaN", "affine element [0][0] is nan", with<float>(one, 280, nan)},
      {"affine singular", "singular", with<float>(one, 280, 0.0f)},
      {"quaternion", "quaternion", with<float>(with<std::int32_t>(one, 252, 1), 256, 7.0f)},
      {"pixdim NaN", "pixdim[1] is nan", with<float>(with<std::int16_t>(one, 254, 0), 80, nan)},
  };
}

}  // namespace

TEST_CASE("nifti: hostile headers are refused, plain and gzip") {
  const TemporaryFolder folder;
  int rows = 0;
  for (const Hostile& row : hostile_headers()) {
    CAPTURE(row.what);
    save(folder / "h.nii", row.raw.bytes);
    const Error error = error_of([&] { read_image(folder / "h.nii"); }, "h.nii");
    CHECK(error.code() == ExitCode::data);
    CHECK_MESSAGE(says(error, row.says), error.what());
    save(folder / "h.nii.gz", gzip(row.raw.bytes));
    CHECK(error_of([&] { read_image(folder / "h.nii.gz"); }, "h.nii.gz").code() == ExitCode::data);
    ++rows;
  }
  MESSAGE(rows << " hostile headers");
}

TEST_CASE("nifti: the base of the hostile headers is readable, with extensions too") {
  const TemporaryFolder folder;
  RawNifti raw = raw_nifti1<std::int16_t>(4);
  save(folder / "h.nii", raw.bytes);
  CHECK(read_image(folder / "h.nii").data[23] == 23);
  raw.put<float>(108, 0.0f);  // as some writers leave it: the first place
  save(folder / "h.nii.gz", gzip(raw.bytes));
  CHECK(read_image(folder / "h.nii.gz").data[23] == 23);
  raw.bytes.insert(raw.bytes.begin() + 352, 48, 0);
  raw.put<float>(108, 400.0f);
  raw.put<char>(348, 1);
  raw.put<std::int32_t>(352, 16);
  raw.put<std::int32_t>(368, 32);
  save(folder / "h.nii", raw.bytes);
  CHECK(read_header(folder / "h.nii").extensions == 2);
  CHECK(read_image(folder / "h.nii").data[23] == 23);
}

TEST_CASE("nifti: damaged gzip streams") {
  const TemporaryFolder folder;
  RawNifti raw = raw_nifti1<float>(16);
  const PhiloxKey key{.seed = 5};
  for (const std::size_t i : {42, 44, 46}) raw.put<std::int16_t>(i, 64);
  for (std::uint32_t i = 0; i < 262144; ++i) raw.put<float>(352 + 4 * i, draw_uniform(key, 0, i));
  raw.bytes.resize(
      raw.bytes.size() +
      1000);  // above zlib's buffers, and more behind the voxels: the checksum is not read with them
  Bytes packed = gzip(raw.bytes);
  save(folder / "g.nii.gz", packed);
  CHECK(read_image(folder / "g.nii.gz").data[262143] == draw_uniform(key, 0, 262143));
  Bytes half(packed.begin(), packed.begin() + static_cast<long>(packed.size() / 2));
  save(folder / "g.nii.gz", half);
  CHECK(says(error_of([&] { read_image(folder / "g.nii.gz"); }, "g.nii.gz"),
             "truncated: expected 1048576 bytes"));
  Bytes unchecked(packed.begin(), packed.end() - 4);  // all voxels are there, but nothing to check them by
  save(folder / "g.nii.gz", unchecked);
  CHECK(says(error_of([&] { read_image(folder / "g.nii.gz"); }, "g.nii.gz"), "no checksum at its end"));
  Bytes wrong = packed;
  wrong[packed.size() - 6] ^= 1;  // the checksum
  save(folder / "g.nii.gz", wrong);
  CHECK(says(error_of([&] { read_image(folder / "g.nii.gz"); }, "g.nii.gz"),
             "gzip stream is corrupt (incorrect data check)"));
  for (const std::size_t i : {42, 44, 46})
    raw.put<std::int16_t>(i, 32000);  // declares more than deflate could hold in so few bytes
  save(folder / "g.nii.gz", gzip(raw.bytes));
  CHECK(says(error_of([&] { read_image(folder / "g.nii.gz"); }, "g.nii.gz"), "can hold at most"));
}

TEST_CASE("nifti: missing, empty, text, folder") {
  const TemporaryFolder folder;
  CHECK(error_of([&] { read_image(folder / "no.nii"); }, "no.nii").code() == ExitCode::filesystem);
  CHECK(error_of([&] { read_image(folder.path()); }, folder.path().string()).code() == ExitCode::filesystem);
  CHECK(error_of([&] { read_image("/dev/zero"); }, "/dev/zero").code() == ExitCode::filesystem);
  save(folder / "empty.nii", {});
  CHECK(says(error_of([&] { read_image(folder / "empty.nii"); }, "empty.nii"), "empty"));
  save(folder / "empty.nii.gz", gzip({}));
  CHECK(error_of([&] { read_image(folder / "empty.nii.gz"); }, "empty.nii.gz").code() == ExitCode::data);
  std::ofstream(folder / "text.nii") << std::string(1000, 'a');
  CHECK(says(error_of([&] { read_image(folder / "text.nii"); }, "text.nii"), "not a NIfTI file"));
}

TEST_CASE("nifti: damaged headers never crash") {
  const TemporaryFolder folder;
  const RawNifti bases[] = {raw_nifti1<std::int16_t>(4), raw_nifti1<std::int16_t>(4, true),
                            raw_nifti2<std::int16_t>(4), raw_nifti2<std::int16_t>(4, true)};
  const std::uint32_t specials[] = {0, 1, 2, 7, 8, 127, 128, 255};
  int read = 0, refused = 0;
  for (std::uint32_t trial = 0; trial < 4000; ++trial) {
    const PhiloxKey key{.seed = 2024, .stream = Stream::test, .step = trial};
    Bytes bytes = bases[trial % 4].bytes;
    const std::uint32_t flips = 1 + draw_below(key, 0, 0, 12);
    for (std::uint32_t i = 0; i < flips; ++i) {
      // Four in five hit the header's fields with meaning (the first 128 bytes, or those of the forms).
      const std::uint32_t at = draw_below(key, 1, i, 5)
                                   ? draw_below(key, 2, i, 360)
                                   : draw_below(key, 2, i, static_cast<std::uint32_t>(bytes.size()));
      const std::uint32_t value =
          draw_below(key, 3, i, 2) ? specials[draw_below(key, 4, i, 8)] : draw_bits(key, 4, i);
      bytes[at] = static_cast<unsigned char>(value);
    }
    const bool gz = trial % 3 == 0;
    const auto file = folder / (gz ? "f.nii.gz" : "f.nii");
    save(file, gz ? gzip(bytes) : bytes);
    try {
      const Image image = read_image(file, {.reorient_to_ras = true});
      REQUIRE(image.data.size() == static_cast<std::size_t>(image.voxels() * image.channels));
      if (trial % 64 < 4) write_image(folder / "out.nii", image.geometry, image.data, VoxelType::f64);
      ++read;
    } catch (const Error& error) {
      REQUIRE(error.code() == ExitCode::data);
      ++refused;
    }
  }
  CHECK(read > 100);
  CHECK(refused > 1000);
  MESSAGE(read << " damaged headers read, " << refused << " refused");
}

// For the NIfTI tests: raw headers built byte by byte from the standard's offsets, apart from the code under
// test.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <unistd.h>
#include <vector>

#include "engine/core/errors.h"
#include "io/nifti/write.h"
#include "tests/io/temporary_folder.h"

namespace duet::testing {

using Bytes = std::vector<unsigned char>;

inline void save(const std::filesystem::path& file, const Bytes& bytes) {
  std::ofstream(file, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<long>(bytes.size()));
}

inline Bytes load(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(in), {});
}

// A raw header with voxels behind it; put() writes at an offset of the standard, turned to big endian on
// request.
struct RawNifti {
  Bytes bytes;
  bool big_endian = false;

  template <class T>
  void put(std::size_t at, T value) {
    unsigned char raw[sizeof(T)];
    std::memcpy(raw, &value, sizeof(T));
    if (big_endian) std::reverse(raw, raw + sizeof(T));
    if (bytes.size() < at + sizeof(T)) bytes.resize(at + sizeof(T));
    std::memcpy(bytes.data() + at, raw, sizeof(T));
  }
};

// NIfTI-1, 4 x 3 x 2, spacing 1 mm, sform of the identity; vox_offset 352, voxels 0, 1, 2, ... of T.
template <class T>
RawNifti raw_nifti1(std::int16_t datatype, bool big_endian = false, float slope = 0, float inter = 0) {
  RawNifti raw{Bytes(352), big_endian};
  raw.put<std::int32_t>(0, 348);
  const std::int16_t dim[8] = {3, 4, 3, 2, 1, 1, 1, 1};
  for (int i = 0; i < 8; ++i) raw.put<std::int16_t>(40 + 2 * i, dim[i]);
  raw.put<std::int16_t>(70, datatype);
  raw.put<std::int16_t>(72, sizeof(T) * 8);
  for (int i = 0; i < 8; ++i) raw.put<float>(76 + 4 * i, 1.0f);
  raw.put<float>(108, 352.0f);
  raw.put<float>(112, slope);
  raw.put<float>(116, inter);
  raw.put<std::int16_t>(254, 1);
  for (int r = 0; r < 3; ++r) raw.put<float>(280 + 20 * r, 1.0f);
  std::memcpy(raw.bytes.data() + 344, "n+1", 4);
  for (int i = 0; i < 24; ++i) raw.put<T>(352 + i * sizeof(T), static_cast<T>(i));
  return raw;
}

// The same as NIfTI-2.
template <class T>
RawNifti raw_nifti2(std::int16_t datatype, bool big_endian = false, double slope = 0, double inter = 0) {
  RawNifti raw{Bytes(544), big_endian};
  raw.put<std::int32_t>(0, 540);
  std::memcpy(raw.bytes.data() + 4, "n+2\0\r\n\x1a\n", 8);
  raw.put<std::int16_t>(12, datatype);
  raw.put<std::int16_t>(14, sizeof(T) * 8);
  const std::int64_t dim[8] = {3, 4, 3, 2, 1, 1, 1, 1};
  for (int i = 0; i < 8; ++i) raw.put<std::int64_t>(16 + 8 * i, dim[i]);
  for (int i = 0; i < 8; ++i) raw.put<double>(104 + 8 * i, 1.0);
  raw.put<std::int64_t>(168, 544);
  raw.put<double>(176, slope);
  raw.put<double>(184, inter);
  raw.put<std::int32_t>(348, 1);
  for (int r = 0; r < 3; ++r) raw.put<double>(400 + 40 * r, 1.0);
  for (int i = 0; i < 24; ++i) raw.put<T>(544 + i * sizeof(T), static_cast<T>(i));
  return raw;
}

// Calls `action` and returns its error; fails the test where it throws none, or one whose message is not one
// line with `file`.
template <class Action>
Error error_of(const Action& action, const std::string& file) {
  try {
    action();
  } catch (const Error& error) {
    const std::string message = error.what();
    CHECK_MESSAGE(message.find(file) != std::string::npos, "no file name in: " << message);
    CHECK_MESSAGE(message.find('\n') == std::string::npos, "more than a line: " << message);
    return error;
  }
  FAIL("no error for " << file);
  return Error(ExitCode::done, "");
}

inline bool says(const Error& error, const std::string& part) {
  return std::string(error.what()).find(part) != std::string::npos;
}

}  // namespace duet::testing

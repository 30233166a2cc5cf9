// Runs the program as a person would, and files to feed it: images, data sets, configs.
#pragma once

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <sys/wait.h>
#include <vector>

#include "io/nifti/write.h"
#include "tests/io/temporary_folder.h"

namespace duet::testing {

// AddressSanitizer takes terabytes of them.
#ifdef __SANITIZE_ADDRESS__
constexpr bool kAddressesMayBeFew = false;
#else
constexpr bool kAddressesMayBeFew = true;
#endif

struct Ran {
  int code = -1;
  std::string output;  // stdout and stderr
};

// A shell command line with `duet` for the program; two threads, and no GPU, so that --device auto is the CPU
// on every machine (gpu_check.sh runs the program on one).
inline Ran run_duet(std::string command) {
  for (std::size_t at = 0; (at = command.find("@duet", at)) != std::string::npos;)
    command.replace(at, 5, DUET_BINARY);
  const std::string line =
      "export OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive CUDA_VISIBLE_DEVICES=; (" + command + ") 2>&1";
  Ran ran;
  std::FILE* pipe = popen(line.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::array<char, 4096> buffer;
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe))
    ran.output.append(buffer.data(), n);
  const int status = pclose(pipe);
  ran.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return ran;
}

// A NIfTI-1 header of 348 bytes, and the same for NIfTI-2 (540), to be spoilt by a test.
inline std::string nifti1(std::array<std::int16_t, 8> dim, std::int16_t datatype, std::int16_t bits) {
  std::string raw(352, '\0');
  auto put = [&](std::size_t at, const auto& value) { std::memcpy(raw.data() + at, &value, sizeof value); };
  put(0, std::int32_t{348});
  put(40, dim);
  put(70, datatype);
  put(72, bits);
  put(76, std::array<float, 8>{1, 1, 1, 1, 1, 1, 1, 1});
  put(108, 352.0f);
  put(112, 1.0f);
  std::memcpy(raw.data() + 344, "n+1", 4);
  return raw;
}

inline std::string nifti2(std::int64_t dim0) {
  std::string raw(544, '\0');
  auto put = [&](std::size_t at, const auto& value) { std::memcpy(raw.data() + at, &value, sizeof value); };
  put(0, std::int32_t{540});
  std::memcpy(raw.data() + 4, "n+2\0\r\n\032\n", 8);
  put(12, std::int16_t{16});
  put(14, std::int16_t{32});
  put(16, std::array<std::int64_t, 8>{dim0, 4, 4, 4, 1, 1, 1, 1});
  put(104, std::array<double, 8>{1, 1, 1, 1, 1, 1, 1, 1});
  put(168, std::int64_t{544});
  put(176, 1.0);
  return raw + std::string(256, '\0');
}

// An image of a slope along W, `size` voxels.
inline void write_ramp(const std::filesystem::path& file, const Triple& size,
                       std::array<double, 3> spacing = {1, 1, 1}, float odd_value = 0) {
  std::vector<float> values(static_cast<std::size_t>(size[0] * size[1] * size[2]));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(i % static_cast<std::size_t>(size[2]));
  if (odd_value != 0) values[7] = odd_value;
  write_image(file, make_geometry(size, spacing), std::span<const float>(values));
}

inline void write_labels(const std::filesystem::path& file, const Triple& size,
                         std::array<double, 3> spacing = {1, 1, 1}, std::uint8_t greatest = 1) {
  std::vector<std::uint8_t> values(static_cast<std::size_t>(size[0] * size[1] * size[2]));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = i % static_cast<std::size_t>(size[2]) > 8 ? greatest : 0;
  write_image(file, make_geometry(size, spacing), std::span<const std::uint8_t>(values));
}

}  // namespace duet::testing

// Changed bytes: the reader refuses with Error(data) or reads something well formed; the sanitizers watch.
#include <doctest/doctest.h>

#include "engine/core/philox.h"
#include "io/weights/safetensors.h"
#include "tests/io/temporary_folder.h"

using namespace duet;
using namespace duet::testing;

TEST_CASE("changed, cut and extended safetensors files") {
  const TemporaryFolder folder;
  SafetensorsFile file;
  file.metadata = {{"format", "duet"}};
  file.arrays.push_back(make_array<float>("encoder.0.w", {2, 3}, std::vector<float>(6, 0.5f)));
  file.arrays.push_back(make_array<std::uint8_t>("mask", {5}, std::vector<std::uint8_t>(5, 1)));
  file.arrays.push_back(make_array<std::int64_t>("step", {}, std::vector<std::int64_t>{3}));
  write_safetensors(folder / "good", file);
  const std::string good = contents_of(folder / "good");
  const std::uint32_t header_end = static_cast<std::uint32_t>(good.size() - 24 - 5 - 8);
  int read = 0, refused = 0;
  for (std::uint32_t i = 0; i < 4000; ++i) {
    const PhiloxKey key = {.seed = 11, .stream = Stream::test, .step = i};
    std::string bad = good;
    for (std::uint32_t change = 0; change <= draw_below(key, 0, 0, 3); ++change) {
      const std::uint32_t at = draw_below(key, 1, change, header_end);
      // Digits and punctuation get past the JSON reader more often than bytes drawn evenly.
      const std::string likely = "0123456789,:[]{}\"F64U8I32-e. ";
      const bool plain = draw_bits(key, 2, change) & 1;
      bad[at] = plain ? likely[draw_below(key, 3, change, static_cast<std::uint32_t>(likely.size()))]
                      : static_cast<char>(draw_bits(key, 4, change));
    }
    const std::uint32_t cut = draw_below(key, 5, 0, 20);
    if (cut == 0) bad.resize(draw_below(key, 6, 0, static_cast<std::uint32_t>(bad.size())));
    if (cut == 1) bad += std::string(draw_below(key, 6, 0, 64), '\0');
    std::filesystem::remove(folder / "bad");  // truncating would wait for the disk
    const auto path = folder.write("bad", bad);
    const Caught found = caught([&] {
      for (const NamedArray& array : read_safetensors(path).arrays) {
        std::size_t bytes = size_of(array.type);
        for (Index size : array.shape) bytes *= static_cast<std::size_t>(size);
        CHECK(bytes == array.data.size());
      }
    });
    if (found.code == ExitCode::done) {
      ++read;
    } else {
      CHECK(found.code == ExitCode::data);
      ++refused;
    }
  }
  MESSAGE("changed files: " << read << " read, " << refused << " refused");
  CHECK(refused > 1000);
}

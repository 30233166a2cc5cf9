// A colour picture in memory and as a PNG file. Called by overlay, and by cotrain and tools for reports.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <vector>

namespace duet {

using Colour = std::array<std::uint8_t, 3>;  // red, green, blue

struct Picture {
  int width = 0, height = 0;
  std::vector<std::uint8_t> rgb;  // (height, width, 3), top row first

  Picture() = default;
  Picture(int width, int height, Colour fill);
  Colour at(int x, int y) const;
  void set(int x, int y, Colour colour);
};

// 8 bits a channel, the same bytes for the same picture; atomic; Error(filesystem). Sizes of at least 1:
// EngineError.
void write_png(const std::filesystem::path& file, const Picture& picture);

}  // namespace duet

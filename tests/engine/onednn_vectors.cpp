// The vectors that the CPU room's loops load and store, against the scalar type.
#include <bit>
#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

#include "engine/backend/onednn/vectors.h"
#include "engine/core/philox.h"

namespace duet::onednn {

TEST_CASE("bf16 vectors load every value as the scalar type does") {
  for (std::uint32_t first = 0; first < 65536; first += kVector) {
    bf16 from[kVector];
    for (Index l = 0; l < kVector; ++l) from[l].bits = static_cast<std::uint16_t>(first + l);
    float loaded[kVector];
    store(loaded, load(from));
    for (Index l = 0; l < kVector; ++l) {
      CHECK(std::bit_cast<std::uint32_t>(loaded[l]) ==
            std::bit_cast<std::uint32_t>(static_cast<float>(from[l])));
    }
  }
}

TEST_CASE("bf16 vectors store as the scalar type rounds: random bits, NaN, infinities, denormals") {
  const PhiloxKey key{.seed = 3, .stream = Stream::test};
  std::vector<std::uint32_t> bits = {
      0,           0x80000000u, 0x7F800000u, 0xFF800000u, 0x7F800001u, 0x7FFFFFFFu, 0xFFFFFFFFu, 0x7F7FFFFFu,
      0x00000001u, 0x00008000u, 0x3F808000u, 0x3F818000u, 0x3F807FFFu, 0x3F808001u, 0x7F7F8000u, 0xFF7F7FFFu};
  while (bits.size() < 65536) bits.push_back(draw_bits(key, 0, bits.size()));
  std::size_t wrong = 0;
  for (std::size_t first = 0; first < bits.size(); first += kVector) {
    float from[kVector];
    for (std::size_t l = 0; l < kVector; ++l) from[l] = std::bit_cast<float>(bits[first + l]);
    bf16 to[kVector];
    store(to, load(from));
    for (std::size_t l = 0; l < kVector; ++l) wrong += to[l].bits != bf16(from[l]).bits;
  }
  CHECK(wrong == 0);
}

}  // namespace duet::onednn

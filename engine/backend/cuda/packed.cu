#include <algorithm>

#include "engine/backend/cuda/launch.h"
#include "engine/backend/cuda/packed.h"

namespace duet::cuda {
namespace {

// The weights of both networks of a wide V-Net fit; beyond, the entry that was not used for longest goes.
constexpr std::size_t kMostBytes = std::size_t{1} << 30;
constexpr std::size_t kMostEntries = 1024;

template <class From, class To>
struct Cast {
  const From* x;
  To* y;
  Accum accum;
  template <int W>
  DUET_HOST_DEVICE void at(Index first) const {
    store<W>(y, first, load<W>(x, first), accum);
  }
};

template <class From, class To>
void cast_from_to(const Room& room, const char* name, ConstView x, View y, Accum accum) {
  for_packs<float>(*room.driver, name, y.shape.elements(), aligned(x.data, y.data),
                   Cast<From, To>{x.as<From>(), y.as<To>(), accum});
}

std::size_t packed_bytes(const ConstView& w) {
  return static_cast<std::size_t>(w.shape.elements()) * sizeof(bf16);
}

void pack(const Room& room, const ConstView& w, const Scratch& to) {
  cast(room, "conv3d packed weights", w, {to.data(), w.shape, DType::bf16}, Accum::write);
}

}  // namespace

void cast(const Room& room, const char* name, ConstView x, View y, Accum accum) {
  DUET_CHECK(x.shape == y.shape, name, ": shapes ", x.shape, " and ", y.shape, " differ");
  if (x.dtype == DType::f32 && y.dtype == DType::bf16) {
    cast_from_to<float, bf16>(room, name, x, y, accum);
  } else {
    cast_from_to<bf16, float>(room, name, x, y, accum);
  }
}

void PackedWeights::make_room(std::size_t bytes) {
  while (!entries_.empty() && (entries_.size() >= kMostEntries || bytes_ + bytes > kMostBytes)) {
    const auto oldest = std::min_element(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) {
      return a.second.last_use < b.second.last_use;
    });
    bytes_ -= oldest->second.block.bytes();
    entries_.erase(oldest);
  }
}

PackedWeights::Entry& PackedWeights::entry_of(const Room& room, const ConstView& w) {
  const auto [begin, end] = entries_.equal_range(w.data);
  const auto found =
      std::find_if(begin, end, [&](const auto& item) { return item.second.elements == w.shape.elements(); });
  if (found != end) return found->second;
  make_room(packed_bytes(w));
  Entry entry;
  entry.block = Scratch(room.memory, packed_bytes(w), "conv3d packed weights", true);
  entry.elements = w.shape.elements();
  bytes_ += entry.block.bytes();
  return entries_.emplace(w.data, std::move(entry))->second;
}

void PackedWeights::clear() {
  entries_.clear();
  bytes_ = 0;
}

Packed PackedWeights::get(const Room& room, const ConstView& w, DType type) {
  DUET_CHECK(w.dtype == master_type(type), "conv3d: weights of ", name_of(w.dtype), " beside ",
             name_of(type));
  Packed packed;
  if (type == w.dtype) {
    packed.weights = w;
    return packed;
  }
  if (w.version == 0) {
    packed.own = Scratch(room.memory, packed_bytes(w), "conv3d packed weights");
    pack(room, w, packed.own);
    packed.weights = {packed.own.data(), w.shape, type, 0};
    return packed;
  }
  Entry& entry = entry_of(room, w);
  entry.last_use = ++clock_;
  if (entry.version != w.version) {
    entry.version = 0;  // should packing throw, the entry holds nothing
    pack(room, w, entry.block);
    entry.version = w.version;
  }
  packed.weights = {entry.block.data(), w.shape, type, 0};
  return packed;
}

}  // namespace duet::cuda

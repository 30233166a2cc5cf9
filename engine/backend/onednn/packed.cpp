#include "engine/backend/onednn/packed.h"

#include <algorithm>

#include "engine/backend/onednn/loops.h"
#include "engine/backend/onednn/winograd.h"

namespace duet::onednn {
namespace {

// Both layouts of both networks of a wide V-Net fit; beyond, the entry that was not used for longest goes.
constexpr std::size_t kMostBytes = std::size_t{1} << 30;
constexpr std::size_t kMostEntries = 1024;

// w, or where the plan runs a flipped kernel w turned around, in the layout of the plan.
void pack_for(const Device& device, const Plan& plan, const ConstView& w, const dnnl::memory& to) {
  Scratch turned;
  Shape shape = w.shape;
  const void* plain = w.data;
  if (plan.flipped) {
    turned = Scratch(device.memory, static_cast<std::size_t>(w.shape.elements()) * sizeof(float),
                     "conv3d weights");
    flip_weights(w, static_cast<float*>(turned.data()));
    plain = turned.data();
    std::swap(shape.n, shape.c);
  }
  device.run(plan.pack, {{DNNL_ARG_FROM, device.wrap(plain_weights_desc(shape), plain)}, {DNNL_ARG_TO, to}});
}

}  // namespace

void Device::run(const Built& built, std::unordered_map<int, dnnl::memory> arguments) const {
  const Scratch scratch(memory, built.scratch.get_size(), "oneDNN scratch");
  if (scratch.data()) arguments[DNNL_ARG_SCRATCHPAD] = wrap(built.scratch, scratch.data());
  dnnl::stream on = stream;
  built.primitive.execute(on, arguments);
  on.wait();
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

void PackedWeights::clear() {
  entries_.clear();
  bytes_ = 0;
}

Packed PackedWeights::get(const Device& device, const Plan& plan, const ConstView& w) {
  return find(device, plan.run.weights, plan.flipped, w,
              [&](const dnnl::memory& to) { pack_for(device, plan, w, to); });
}

Packed PackedWeights::get_transformed(const Device& device, const ConstView& w, bool flipped) {
  return find(device, transformed_weights_desc(w.shape), flipped, w, [&](const dnnl::memory& to) {
    auto* values = static_cast<float*>(to.get_data_handle());
    flipped ? winograd::transform_flipped(w, values) : winograd::transform_weights(w, values);
  });
}

Packed PackedWeights::find(const Device& device, const dnnl::memory::desc& layout, bool flipped,
                           const ConstView& w, const Pack& pack) {
  if (w.version == 0) {
    Packed packed;
    packed.own = Scratch(device.memory, layout.get_size(), "conv3d packed weights");
    packed.memory = device.wrap(layout, packed.own.data());
    pack(packed.memory);
    return packed;
  }
  const auto [begin, end] = entries_.equal_range(w.data);
  auto found = std::find_if(begin, end, [&](const auto& item) {
    return item.second.flipped == flipped && item.second.memory.get_desc() == layout;
  });
  if (found == end) {
    make_room(layout.get_size());
    Entry entry;
    entry.block = Scratch(device.memory, layout.get_size(), "conv3d packed weights", true);
    entry.memory = device.wrap(layout, entry.block.data());
    entry.flipped = flipped;
    bytes_ += entry.block.bytes();
    found = entries_.emplace(w.data, std::move(entry));
  }
  Entry& entry = found->second;
  entry.last_use = ++clock_;
  if (entry.version != w.version) {
    entry.version = 0;  // should packing throw, the entry holds nothing
    pack(entry.memory);
    entry.version = w.version;
  }
  return {entry.memory, {}};
}

}  // namespace duet::onednn

// Packed weights, kept while their tensor does not change: packing happens once an optimiser step, not once a
// convolution. Called by convolution.cpp. An entry belongs to a weight's address and a packed layout; a new
// version is packed into the same memory. Weights of version 0 (contents not known) are packed for the one
// call.
#pragma once

#include <functional>
#include <unordered_map>

#include "engine/backend/onednn/plans.h"
#include "engine/memory/scratch.h"

namespace duet::onednn {

// Engine, stream and memory of one backend, and how a primitive is run on them.
struct Device {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  std::shared_ptr<Allocator> memory;

  dnnl::memory wrap(const dnnl::memory::desc& desc, const void* data) const {
    return {desc, engine, const_cast<void*>(data)};
  }
  // Runs with scratch from the allocator and waits.
  void run(const Built&, std::unordered_map<int, dnnl::memory> arguments) const;
};

// Valid until the next call of PackedWeights.
struct Packed {
  dnnl::memory memory;
  Scratch own;  // of weights that are not cached
};

class PackedWeights {
 public:
  // w as the plan's primitive wants it. w: (Co, kD, kH, kW, Ci).
  Packed get(const Device&, const Plan&, const ConstView& w);
  // w, or (flipped) w as flip_weights turns it, transformed for winograd.h.
  Packed get_transformed(const Device&, const ConstView& w, bool flipped);
  void clear();

 private:
  using Pack = std::function<void(const dnnl::memory& to)>;
  Packed find(const Device&, const dnnl::memory::desc& layout, bool flipped, const ConstView& w,
              const Pack& pack);
  struct Entry {
    dnnl::memory memory;
    Scratch block;
    bool flipped = false;
    std::uint64_t version = 0, last_use = 0;
  };
  void make_room(std::size_t bytes);

  std::unordered_multimap<const void*, Entry> entries_;  // by address of the plain weights
  std::size_t bytes_ = 0;
  std::uint64_t clock_ = 0;
};

}  // namespace duet::onednn

// The work of `--mode volume`: one drawn image, padded to the patch as `duet predict` pads, cut into windows
// and put together again by the code that predict runs.
#pragma once

#include "cotrain/predict/segment.h"
#include "tools/bench/options.h"

namespace duet::bench {

struct Volume {
  PadFrame frame;
  std::vector<float> image;  // (D, H, W) of frame.size
  WindowConfig windows;
};

Volume make_volume(const BenchOptions& options);

// Of one pass over the volume.
Index window_count(const BenchOptions& options);

// Segments it and returns the mean label.
double segment(Backend& backend, const std::vector<std::unique_ptr<Network>>& networks, const Volume& volume);

}  // namespace duet::bench

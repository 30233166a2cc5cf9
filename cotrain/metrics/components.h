// Keeps the largest connected piece of each class of a segmentation. Called by prediction (an option) before
// metrics and writing.
#pragma once

#include <cstdint>
#include <span>

#include "engine/core/shape.h"

namespace duet {

// Which neighbours hang together: those that share a face, or a face, edge or corner.
enum class Connectivity { faces_6, corners_26 };

// Sets to 0 every voxel of labels (D, H, W) of a foreground class (1 .. classes - 1) outside the largest
// connected component of that class; of equally large ones the first in memory order stays. Voxels of other
// values are left alone. Returns the number of voxels cleared. Throws EngineError where labels do not have
// size's voxels.
Index largest_component(std::span<std::uint8_t> labels, const Triple& size, int classes,
                        Connectivity connectivity = Connectivity::corners_26);

}  // namespace duet

// A case beside its reference, as one picture. Called by assess.
#pragma once

#include <cstdint>
#include <vector>

#include "cotrain/data/cases.h"
#include "cotrain/predict/segment.h"
#include "io/pictures/picture.h"

namespace duet {

// Three rows of three planes: the reference, the prediction, its uncertainty, on the same cuts (those of the
// reference).
Picture case_picture(const LoadedCase& from, const std::vector<std::uint8_t>& reference,
                     const Segmentation& segmentation);

}  // namespace duet

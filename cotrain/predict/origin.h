// What the segmentations in a folder were made with, in its predictions.json, so that those of other weights
// or settings are not taken for done. Called by predict_cases.cpp.
#pragma once

#include <filesystem>

#include "cotrain/predict/predict_cases.h"

namespace duet {

// Compares with what is noted in options.output, and notes the present ones. `some_there`: whether some case
// would be skipped. Error(usage) naming what differs, where some would, and options.overwrite is not set.
void note_origin(const TrainedNetworks& trained, const PredictOptions& options, bool some_there);

}  // namespace duet

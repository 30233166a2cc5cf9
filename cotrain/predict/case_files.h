// The files of one case: its image read as networks see it, its results written. Called by predict_cases.cpp,
// on threads of their own: nothing here touches a backend.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cotrain/config/run_config.h"
#include "cotrain/predict/predict_cases.h"
#include "cotrain/predict/segment.h"
#include "io/nifti/geometry.h"

namespace duet {

// What is to be written; empty: not wanted.
struct CaseOutputs {
  std::filesystem::path labels, uncertainty, probabilities, picture;
};

CaseOutputs case_outputs(const PredictOptions& options, const std::string& id);
std::vector<std::filesystem::path> paths_of(const CaseOutputs& outputs);  // of what is wanted

struct CaseImage {
  Geometry geometry;            // of the image itself, which the results have
  Blocks blocks;                // its grid, and how it was shrunk
  PadFrame frame;               // of what networks see
  std::vector<float> values;    // (D, H, W) of frame.size, shrunk, z-scored, 0 outside the image
  std::vector<float> original;  // for a picture of an image that was shrunk
};

// Throws Error naming the file. pictures: whether write_case is to make one.
CaseImage read_case_image(const std::filesystem::path& file, const DataConfig& config, bool pictures);

// Writes on the image's own grid; the labels last, as they say that the case is done.
void write_case(const CaseOutputs& outputs, const CaseImage& image, const Segmentation& segmentation);

}  // namespace duet

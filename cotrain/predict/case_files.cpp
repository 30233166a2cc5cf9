#include "cotrain/predict/case_files.h"

#include "cotrain/data/cases.h"
#include "io/nifti/write.h"
#include "io/pictures/overlay.h"

namespace duet {
namespace fs = std::filesystem;
CaseOutputs case_outputs(const PredictOptions& options, const std::string& id) {
  const fs::path& out = options.output;
  CaseOutputs files{out / (id + ".nii.gz"), {}, {}, {}};
  if (options.uncertainty) files.uncertainty = out / (id + "_uncertainty.nii.gz");
  if (options.probabilities) files.probabilities = out / (id + "_probabilities.nii.gz");
  if (options.pictures) files.picture = out / (id + ".png");
  return files;
}

std::vector<fs::path> paths_of(const CaseOutputs& outputs) {
  std::vector<fs::path> paths;
  for (const fs::path* path :
       {&outputs.labels, &outputs.uncertainty, &outputs.probabilities, &outputs.picture}) {
    if (!path->empty()) paths.push_back(*path);
  }
  return paths;
}

CaseImage read_case_image(const fs::path& file, const DataConfig& config, bool pictures) {
  Image image = read_checked(file, config.reorient);
  CaseImage read;
  read.geometry = image.geometry;
  read.blocks = {image.size, config.shrink};
  if (pictures && !read.blocks.whole()) read.original = image.data;
  image = normalised(std::move(image), config.shrink);
  read.frame = pad_frame(image.size, config.patch);
  read.values = pad(image.data, read.frame);
  return read;
}

void write_case(const CaseOutputs& outputs, const CaseImage& image, const Segmentation& segmentation) {
  const std::span<const float> uncertainty = segmentation.uncertainty;
  if (!outputs.uncertainty.empty()) write_image(outputs.uncertainty, image.geometry, uncertainty);
  if (!outputs.probabilities.empty()) {
    write_image(outputs.probabilities, image.geometry, std::span<const float>(segmentation.probabilities));
  }
  if (!outputs.picture.empty()) {
    const std::vector<float> whole =
        image.original.empty() ? crop(image.values, image.frame) : image.original;
    write_png(outputs.picture, overlay_planes({image.blocks.size, image.geometry.spacing, whole,
                                               segmentation.labels, uncertainty, 1.0}));
  }
  write_image(outputs.labels, image.geometry, std::span<const std::uint8_t>(segmentation.labels));
}

}  // namespace duet

// A data set as `dataset.json` of the Medical Segmentation Decathlon describes it: which images, which of
// them labelled, what the classes are. Called by cotrain and tools. Always after reading: case ids differ,
// every named file exists, at least one case is labelled, classes[0] is background.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace duet {

struct Case {
  std::string id;               // the image's file name without .nii or .nii.gz
  std::filesystem::path image;  // absolute
  std::filesystem::path label;  // absolute; empty: unlabelled
  bool labelled() const { return !label.empty(); }
};

struct Dataset {
  std::filesystem::path file;  // the dataset.json
  std::string name;
  std::vector<std::string> classes;   // name of each label value, 0 = background
  std::vector<std::string> channels;  // "modality" of the file; one where it has none
  std::vector<Case> cases;            // sorted by id
  std::vector<std::string> warnings;  // for people; nothing that hinders
};

// Reads dataset.json; paths in it are relative to its folder. `training` holds {image, label}, {image} or
// plain texts, `unlabelled` {image} or plain texts. Images are not opened. Error(data) with file and position
// or case: not JSON, keys missing or mistyped, class indices not 0..C-1, a case twice, files missing (all
// counted, a few named), no label.
Dataset read_dataset(const std::filesystem::path& file);

// The file name without .nii, .hdr, .img and a following .gz, in whatever case.
std::string case_id(const std::filesystem::path& image);

}  // namespace duet

// Which files an image's name stands for. Called by all who list or name images.
#pragma once

#include <filesystem>

namespace duet::nifti {

// The name without .nii, .hdr or .img and a following .gz (case matters not), and what was cut off, in lower
// case.
struct NameParts {
  std::filesystem::path stem;
  std::string extension;  // ".nii", ".hdr", ".img" or ""
  bool gz = false;
};
NameParts name_parts(const std::filesystem::path& file);

bool is_pair_path(const std::filesystem::path& file);  // .hdr or .img, with .gz or without

// The header's file of a given name: the name itself but for an .img, whose .hdr (or .hdr.gz) stands beside
// it.
std::filesystem::path header_path(const std::filesystem::path& given);

// The .img or .img.gz beside a .hdr, first as the header is (compressed or not), then the other way.
std::filesystem::path image_path(const std::filesystem::path& header);

}  // namespace duet::nifti

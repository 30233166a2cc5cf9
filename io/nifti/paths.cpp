#include "io/nifti/paths.h"

#include <algorithm>
#include <cctype>
#include <string>

namespace duet::nifti {
namespace {

namespace fs = std::filesystem;

std::string lower(std::string s) {
  std::transform(s.begin(), s.end(), s.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return s;
}

fs::path beside(const NameParts& parts, const char* extension) {
  const auto with = [&](bool gz) {
    fs::path path = parts.stem;
    path += extension;
    if (gz) path += ".gz";
    return path;
  };
  std::error_code ignored;
  const fs::path same = with(parts.gz), other = with(!parts.gz);
  return !fs::exists(same, ignored) && fs::exists(other, ignored) ? other : same;
}

}  // namespace

NameParts name_parts(const fs::path& file) {
  NameParts parts{file, "", false};
  fs::path rest = file;
  if (lower(rest.extension().string()) == ".gz") {
    parts.gz = true;
    rest.replace_extension();
  }
  const std::string extension = lower(rest.extension().string());
  if (extension == ".nii" || extension == ".hdr" || extension == ".img") {
    parts.extension = extension;
    rest.replace_extension();
  }
  parts.stem = rest;
  return parts;
}

bool is_pair_path(const fs::path& file) {
  const std::string extension = name_parts(file).extension;
  return extension == ".hdr" || extension == ".img";
}

fs::path header_path(const fs::path& given) {
  const NameParts parts = name_parts(given);
  return parts.extension == ".img" ? beside(parts, ".hdr") : given;
}

fs::path image_path(const fs::path& header) { return beside(name_parts(header), ".img"); }

}  // namespace duet::nifti

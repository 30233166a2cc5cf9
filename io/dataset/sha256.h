// SHA-256 of files (FIPS 180-4, by libcrypto), to notice that data changed between runs. Called by split.
#pragma once

#include <filesystem>
#include <string>

namespace duet {

// 64 lower-case hex digits. A file that cannot be read is Error(data) naming it.
std::string sha256_of_file(const std::filesystem::path& file);

// Of all that an image is: of a pair's header and then its voxels, whichever of the two is named.
std::string sha256_of_image(const std::filesystem::path& file);

}  // namespace duet

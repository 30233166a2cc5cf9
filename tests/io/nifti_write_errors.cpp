// Writing that fails leaves nothing behind, and what was there before as it was.
#include <limits>
#include <sys/resource.h>

#include "tests/io/nifti_support.h"

using namespace duet;
using namespace duet::testing;

namespace {

// A file-size limit for a scope. The signal of a write beyond it must not reach the program.
struct FileSizeLimit {
  rlimit before = {};
  explicit FileSizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before);
    const rlimit limit = {bytes, before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() { ::setrlimit(RLIMIT_FSIZE, &before); }
};

const Geometry kGrid = make_geometry({32, 32, 32}, std::array<double, 3>{1, 1, 1});

// Values that do not compress to nothing.
std::vector<float> noise() {
  std::vector<float> values(32768);
  std::uint32_t state = 1;
  for (float& v : values) v = static_cast<float>(state = state * 1664525u + 1013904223u);
  return values;
}

}  // namespace

TEST_CASE("nifti: a file-size limit is an error, the old file stays, nothing is left behind") {
  const TemporaryFolder folder;
  const auto values = noise();
  for (const char* name : {"a.nii", "a.nii.gz", "p.hdr", "p.img.gz"}) {
    CAPTURE(name);
    const TemporaryFolder inner;
    const auto file = inner / name;
    std::vector<std::uint8_t> old(32768, 7);
    write_image(file, kGrid, old);
    const std::size_t entries = inner.files();
    const Bytes before = load(file);
    {
      const FileSizeLimit limit(20000);
      const Error error = error_of([&] { write_image(file, kGrid, values); }, file.stem().stem().string());
      CHECK(error.code() == ExitCode::filesystem);
      CHECK(says(error, "File too large"));
    }
    CHECK(load(file) == before);
    CHECK(inner.files() == entries);
    CHECK(labels_of(read_image(file), 8) == old);
  }
}

TEST_CASE("nifti: /dev/full through a link is an error and the device stays") {
  if (!std::filesystem::exists("/dev/full")) {
    MESSAGE("SKIPPED: no /dev/full");
    return;
  }
  const TemporaryFolder folder;
  for (const char* name : {"full.nii", "full.nii.gz"}) {
    std::filesystem::create_symlink("/dev/full", folder / name);
    const Error error = error_of([&] { write_image(folder / name, kGrid, noise()); }, name);
    CHECK(error.code() == ExitCode::filesystem);
    CHECK(says(error, "No space left"));
  }
  CHECK(std::filesystem::is_character_file("/dev/full"));
  CHECK(folder.files() == 2);
}

TEST_CASE("nifti: folders that are missing, names that are folders or have no extension") {
  const TemporaryFolder folder;
  CHECK(error_of([&] { write_image(folder / "no/a.nii", kGrid, noise()); }, "a.nii").code() ==
        ExitCode::filesystem);
  std::filesystem::create_directory(folder / "d.nii");
  CHECK(error_of([&] { write_image(folder / "d.nii", kGrid, noise()); }, "d.nii").code() ==
        ExitCode::filesystem);
  CHECK(error_of([&] { write_image(folder / "a.png", kGrid, noise()); }, "a.png").code() == ExitCode::usage);
  CHECK(folder.files() == 1);
}

TEST_CASE("nifti: values that do not fit the type or the grid") {
  const TemporaryFolder folder;
  auto values = noise();
  CHECK(says(error_of([&] { write_image(folder / "a.nii", kGrid, values, VoxelType::i16); }, "a.nii"),
             "16-bit"));
  values[3] = std::numeric_limits<float>::quiet_NaN();
  CHECK(error_of([&] { write_image(folder / "a.nii", kGrid, values, VoxelType::u64); }, "a.nii").code() ==
        ExitCode::data);
  values.pop_back();
  CHECK(
      says(error_of([&] { write_image(folder / "a.nii", kGrid, values); }, "a.nii"), "expected a multiple"));
  CHECK(folder.files() == 0);
  write_image(folder / "a.nii", kGrid, std::vector<float>(32768, -128.4f), VoxelType::i8);
  CHECK(read_image(folder / "a.nii").data[0] == -128);
}

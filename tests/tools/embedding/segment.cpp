// What README.md says under "Embedding", as a program of another project: segments one image with a run's
// networks.
#include "cotrain/predict/segment.h"

#include <iostream>

#include "cotrain/predict/case_files.h"
#include "cotrain/predict/trained.h"
#include "cotrain/train/trainer.h"
#include "engine/backend/table.h"
#include "io/nifti/write.h"

static_assert(__cplusplus >= 202002L);

// `unused` is a warning of -Wextra: our warnings are not another project's errors.
static int segment(const char* run, const char* file, const char* out, int unused = 0) {
  const auto backend = duet::make_default_backend();
  const duet::TrainedNetworks trained = duet::load_trained(*backend, run, "best");
  const duet::CaseImage image = duet::read_case_image(file, trained.config.data, false);
  const duet::Segmentation found =
      duet::segment_volume(*backend, trained.networks, image.values, image.frame,
                           duet::window_config(trained.config), false, image.blocks);
  duet::write_image(out, image.geometry, std::span<const std::uint8_t>(found.labels));
  return 0;
}

int main(int argc, char** argv) {
  try {
    if (argc == 4) return segment(argv[1], argv[2], argv[3]);
    std::cerr << "usage: segment RUN IMAGE OUT\n";
  } catch (const std::exception& error) {  // duet::Error: of files and values; duet::EngineError: of calls
    std::cerr << error.what() << '\n';
  }
  return 1;
}

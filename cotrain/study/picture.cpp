#include "cotrain/study/picture.h"

#include "io/pictures/overlay.h"

namespace duet {
namespace {

Picture stacked(const Picture& above, const Picture& below) {
  Picture both;
  both.width = above.width;  // the same planes of the same volume
  both.height = above.height + below.height;
  both.rgb = above.rgb;
  both.rgb.insert(both.rgb.end(), below.rgb.begin(), below.rgb.end());
  return both;
}

}  // namespace

Picture case_picture(const LoadedCase& from, const std::vector<std::uint8_t>& reference,
                     const Segmentation& segmentation) {
  const std::vector<float> image = crop(from.image, from.frame);
  OverlayInput input;
  input.size = from.frame.extent;
  input.spacing = from.geometry.spacing;
  input.image = image;
  input.segmentation = reference;
  const Picture expected = overlay_planes(input);
  input.segmentation = segmentation.labels;
  input.cut_through = reference;
  input.uncertainty = segmentation.uncertainty;
  input.uncertainty_max = 1.0;
  return stacked(expected, overlay_planes(input));
}

}  // namespace duet

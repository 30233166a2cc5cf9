#include <png.h>
#include <string>

#include "engine/core/errors.h"
#include "io/files/files.h"
#include "io/pictures/picture.h"

namespace duet {
namespace {

std::size_t place(const Picture& picture, int x, int y) {
  return (static_cast<std::size_t>(y) * static_cast<std::size_t>(picture.width) +
          static_cast<std::size_t>(x)) *
         3;
}

}  // namespace

Picture::Picture(int width_, int height_, Colour fill) : width(width_), height(height_) {
  DUET_CHECK(width >= 1 && height >= 1, "picture: size ", width, " x ", height);
  rgb.resize(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3);
  for (std::size_t i = 0; i < rgb.size(); ++i) rgb[i] = fill[i % 3];
}

Colour Picture::at(int x, int y) const {
  const std::size_t i = place(*this, x, y);
  return {rgb[i], rgb[i + 1], rgb[i + 2]};
}

void Picture::set(int x, int y, Colour colour) {
  const std::size_t i = place(*this, x, y);
  for (std::size_t c = 0; c < 3; ++c) rgb[i + c] = colour[c];
}

void write_png(const std::filesystem::path& file, const Picture& picture) {
  DUET_CHECK(picture.width >= 1 && picture.height >= 1 &&
                 picture.rgb.size() == static_cast<std::size_t>(picture.width) * picture.height * 3,
             "picture: ", picture.width, " x ", picture.height, " with ", picture.rgb.size(), " bytes");
  png_image image = {};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(picture.width);
  image.height = static_cast<png_uint_32>(picture.height);
  image.format = PNG_FORMAT_RGB;
  // libpng's simplified interface: no setjmp, and a known upper bound of the encoded size.
  png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::string encoded(bytes, '\0');
  if (!png_image_write_to_memory(&image, encoded.data(), &bytes, 0, picture.rgb.data(), 0, nullptr)) {
    throw Error(ExitCode::filesystem, text(file.string(), ": cannot encode the picture: ", image.message));
  }
  encoded.resize(bytes);
  write_file(file, encoded);
}

}  // namespace duet

#include "dataio/media/png.h"

#include <png.h>

#include <algorithm>
#include <array>

#include "core/error.h"

namespace ortho {
namespace {

// libpng's simplified API: it catches its own long jumps, none crosses our frames.
class PngImage {
 public:
  PngImage() { image_.version = PNG_IMAGE_VERSION; }
  ~PngImage() { png_image_free(&image_); }
  PngImage(const PngImage&) = delete;
  PngImage& operator=(const PngImage&) = delete;
  png_image* get() { return &image_; }
  png_image* operator->() { return &image_; }

 private:
  png_image image_{};
};

std::vector<std::uint8_t> encode(const std::uint8_t* pixels, std::int64_t height,
                                 std::int64_t width, std::uint32_t format) {
  PngImage png;
  png->width = static_cast<std::uint32_t>(width);
  png->height = static_cast<std::uint32_t>(height);
  png->format = format;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(*png.get());
  std::vector<std::uint8_t> bytes(size);
  if (png_image_write_to_memory(png.get(), bytes.data(), &size, 0, pixels, 0, nullptr) == 0)
    fail(ErrorKind::internal,
         text("libpng cannot encode ", width, " x ", height, " pixels: ", png->message));
  bytes.resize(size);
  return bytes;
}

}  // namespace

bool is_png(std::span<const std::uint8_t> bytes) {
  constexpr std::array<std::uint8_t, 8> signature = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  return bytes.size() >= signature.size() &&
         std::equal(signature.begin(), signature.end(), bytes.begin());
}

Image decode_png(std::span<const std::uint8_t> bytes, const std::string& name) {
  PngImage png;
  if (png_image_begin_read_from_memory(png.get(), bytes.data(), bytes.size()) == 0)
    fail(ErrorKind::data, text(name, " is not a readable PNG: ", png->message));
  const std::int64_t width = png->width, height = png->height;
  const std::int64_t pixels = checked_pixels(width, height, name);
  png->format = PNG_FORMAT_RGBA;
  png->flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
  std::vector<std::uint8_t> rgba(static_cast<std::size_t>(pixels * 4));
  if (png_image_finish_read(png.get(), nullptr, rgba.data(), 0, nullptr) == 0)
    fail(ErrorKind::data,
         text(name, " (", width, " x ", height, " PNG) is damaged: ", png->message));
  Image image{width, height, std::vector<std::uint8_t>(static_cast<std::size_t>(pixels * 3))};
  std::uint8_t* target = image.rgb.data();
  for (std::size_t at = 0; at < rgba.size(); at += 4)
    for (std::size_t channel = 0; channel < 3; ++channel)
      *target++ = over_white(rgba[at + channel], rgba[at + 3]);
  return image;
}

std::vector<std::uint8_t> encode_png(const Image& image) {
  const std::int64_t pixels = checked_pixels(image.width, image.height, "the image to encode");
  REQUIRE(image.rgb.size() == static_cast<std::size_t>(pixels * 3), "an image of ", image.width,
          " x ", image.height, " pixels has ", pixels * 3, " bytes, not ", image.rgb.size());
  return encode(image.rgb.data(), image.height, image.width, PNG_FORMAT_RGB);
}

std::vector<std::uint8_t> encode_grey_png(std::span<const std::uint8_t> grey, std::int64_t height,
                                          std::int64_t width) {
  const std::int64_t pixels = checked_pixels(width, height, "the image to encode");
  REQUIRE(grey.size() == static_cast<std::size_t>(pixels), "a grey image of ", width, " x ", height,
          " pixels has ", pixels, " bytes, not ", grey.size());
  return encode(grey.data(), height, width, PNG_FORMAT_GRAY);
}

}  // namespace ortho

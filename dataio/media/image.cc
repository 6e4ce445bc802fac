#include "dataio/media/image.h"

#include <algorithm>

#include "core/error.h"

namespace ortho {

std::int64_t checked_pixels(std::int64_t width, std::int64_t height, const std::string& name) {
  const bool fits =
      width >= 1 && height >= 1 && width <= kMaxPixels && height <= kMaxPixels / width;
  if (!fits)
    fail(ErrorKind::data, text(name, " has ", width, " x ", height, " pixels; 1 to ", kMaxPixels,
                               " in all are accepted"));
  return width * height;
}

Image resize(const Image& image, std::int64_t height, std::int64_t width) {
  checked_pixels(image.width, image.height, "the image to resize");
  checked_pixels(width, height, "the size to resize to");
  if (height == image.height && width == image.width) return image;
  Image out{width, height, std::vector<std::uint8_t>(static_cast<std::size_t>(height * width * 3))};
  // On one axis, count in units of 1/(old * new): a new pixel spans `old`
  // units, an old pixel `new` units. The weights of a new pixel add up
  // to old height * old width. 255 * 2^26 fits in 64 bits with ease.
  const std::int64_t area = image.height * image.width;
  std::uint8_t* target = out.rgb.data();
  for (std::int64_t y = 0; y < height; ++y) {
    const std::int64_t top = y * image.height, bottom = top + image.height;
    for (std::int64_t x = 0; x < width; ++x) {
      const std::int64_t left = x * image.width, right = left + image.width;
      std::int64_t sum[3] = {0, 0, 0};
      for (std::int64_t row = top / height; row * height < bottom; ++row) {
        const std::int64_t tall =
            std::min(bottom, (row + 1) * height) - std::max(top, row * height);
        for (std::int64_t column = left / width; column * width < right; ++column) {
          const std::int64_t wide =
              std::min(right, (column + 1) * width) - std::max(left, column * width);
          const std::uint8_t* pixel = image.rgb.data() + (row * image.width + column) * 3;
          for (int channel = 0; channel < 3; ++channel)
            sum[channel] += tall * wide * pixel[channel];
        }
      }
      for (const std::int64_t channel_sum : sum)
        *target++ = static_cast<std::uint8_t>((channel_sum + area / 2) / area);
    }
  }
  return out;
}

}  // namespace ortho

#include "decode/picture.h"

#include <new>
#include <vector>

#include "core/error.h"

namespace ortho {
namespace {

constexpr int kFlags =
    SWS_BILINEAR | SWS_BITEXACT | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP;
constexpr int kHighDefinition = 720;  // lines
constexpr std::size_t kPadding = 64;  // bytes that the scaler may write behind a row

int colour_matrix(const AVFrame& frame) {
  if (frame.colorspace != AVCOL_SPC_UNSPECIFIED) return frame.colorspace;
  const bool full = frame.color_range == AVCOL_RANGE_JPEG;
  return !full && frame.height >= kHighDefinition ? AVCOL_SPC_BT709 : AVCOL_SPC_SMPTE170M;
}

// An Image turned as the upper left of a display matrix says: new (x, y) = old (x, y) times it.
Image turned(const Image& image, const std::int32_t* m) {
  const auto sign = [](std::int32_t value) { return value > 0 ? 1 : value < 0 ? -1 : 0; };
  const int xx = sign(m[0]), xy = sign(m[1]), yx = sign(m[3]), yy = sign(m[4]);
  const bool straight = xx != 0 && yy != 0 && xy == 0 && yx == 0;
  const bool crossed = xx == 0 && yy == 0 && xy != 0 && yx != 0;
  if (!straight && !crossed)
    fail(ErrorKind::data, "its frames are turned by something else than quarters");
  if (straight && xx > 0 && yy > 0) return image;
  Image out{crossed ? image.height : image.width, crossed ? image.width : image.height, {}};
  out.rgb.resize(image.rgb.size());
  const std::int64_t right = image.width - 1, bottom = image.height - 1;
  std::uint8_t* target = out.rgb.data();
  for (std::int64_t y = 0; y < out.height; ++y)
    for (std::int64_t x = 0; x < out.width; ++x) {
      const std::int64_t along = crossed ? y : x, down = crossed ? x : y;  // in the old picture
      const std::int64_t column = xx + xy > 0 ? along : right - along;
      const std::int64_t row = yx + yy > 0 ? down : bottom - down;
      const std::uint8_t* pixel = image.rgb.data() + (row * image.width + column) * 3;
      for (int channel = 0; channel < 3; ++channel) *target++ = pixel[channel];
    }
  return out;
}

}  // namespace

const std::int32_t* PictureMaker::matrix(const AVFrame& frame) const {
  const AVFrameSideData* own = av_frame_get_side_data(&frame, AV_FRAME_DATA_DISPLAYMATRIX);
  if (own != nullptr && own->size >= 9 * sizeof(std::int32_t))
    return reinterpret_cast<const std::int32_t*>(own->data);
  std::size_t size = 0;
  const std::uint8_t* data = av_stream_get_side_data(stream_, AV_PKT_DATA_DISPLAYMATRIX, &size);
  return data != nullptr && size >= 9 * sizeof(std::int32_t)
             ? reinterpret_cast<const std::int32_t*>(data)
             : nullptr;
}

Image PictureMaker::make(const AVFrame& frame) {
  const std::int64_t pixels = checked_pixels(frame.width, frame.height, "a picture in it");
  const auto format = static_cast<AVPixelFormat>(frame.format);
  scaler_ = Scaler(sws_getCachedContext(scaler_.release(), frame.width, frame.height, format,
                                        frame.width, frame.height, AV_PIX_FMT_RGBA, kFlags, nullptr,
                                        nullptr, nullptr));
  if (scaler_.get() == nullptr)
    fail(ErrorKind::data,
         text("pixels of format ", av_get_pix_fmt_name(format), " cannot be made RGB"));
  const int* matrix_numbers = sws_getCoefficients(colour_matrix(frame));
  const int full_range = frame.color_range == AVCOL_RANGE_JPEG ? 1 : 0;
  // Negative for formats that have no matrix, such as a palette: nothing to set then.
  sws_setColorspaceDetails(scaler_.get(), matrix_numbers, full_range, matrix_numbers, 1, 0, 1 << 16,
                           1 << 16);
  const std::size_t stride =
      (static_cast<std::size_t>(frame.width) * 4 + kPadding) / kPadding * kPadding + kPadding;
  std::vector<std::uint8_t> rgba(stride * static_cast<std::size_t>(frame.height));
  std::uint8_t* const planes[4] = {rgba.data(), nullptr, nullptr, nullptr};
  const int strides[4] = {static_cast<int>(stride), 0, 0, 0};
  check_av(sws_scale(scaler_.get(), frame.data, frame.linesize, 0, frame.height, planes, strides),
           "its pixels cannot be made RGB");
  Image image{frame.width, frame.height, {}};
  image.rgb.reserve(static_cast<std::size_t>(pixels * 3));
  for (int y = 0; y < frame.height; ++y) {
    const std::uint8_t* pixel = rgba.data() + static_cast<std::size_t>(y) * stride;
    for (int x = 0; x < frame.width; ++x, pixel += 4)
      for (int channel = 0; channel < 3; ++channel)
        image.rgb.push_back(over_white(pixel[channel], pixel[3]));
  }
  const std::int32_t* turn = matrix(frame);
  return turn == nullptr ? image : turned(image, turn);
}

}  // namespace ortho

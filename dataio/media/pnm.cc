#include "dataio/media/pnm.h"

#include <cctype>

#include "core/error.h"

namespace ortho {
namespace {

struct Header {
  std::int64_t width = 0, height = 0;
  std::int64_t depth = 0;  // samples a pixel: 1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha
  std::int64_t maxval = 0;
  bool plain = false;  // samples are decimal words
};

class PnmReader {
 public:
  PnmReader(std::span<const std::uint8_t> bytes, const std::string& name)
      : bytes_(bytes), name_(name) {}

  Image read() {
    const Header header = read_header();
    const std::int64_t pixels = checked_pixels(header.width, header.height, name_);
    check_room(header, pixels);
    Image image{header.width, header.height, {}};
    image.rgb.reserve(static_cast<std::size_t>(pixels * 3));
    const bool grey = header.depth <= 2, alpha = header.depth % 2 == 0;
    for (std::int64_t pixel = 0; pixel < pixels; ++pixel) {
      std::uint32_t sample[4] = {};
      for (std::int64_t i = 0; i < header.depth; ++i) sample[i] = scaled_sample(header);
      const std::uint32_t opacity = alpha ? sample[header.depth - 1] : 255;
      for (int channel = 0; channel < 3; ++channel)
        image.rgb.push_back(over_white(sample[grey ? 0 : channel], opacity));
    }
    if (header.plain) skip_space();
    if (at_ != bytes_.size()) fail_here("the end of the file");
    return image;
  }

 private:
  [[noreturn]] void fail_here(const std::string& expected) const {
    fail(ErrorKind::data, text(name_, " is not a readable PNM: expected ", expected, " at byte ",
                               at_, " of ", bytes_.size()));
  }

  bool more() const { return at_ < bytes_.size(); }

  void skip_space() {  // white space, and comments to the end of their line
    while (more()) {
      if (bytes_[at_] == '#') {
        while (more() && bytes_[at_] != '\n') ++at_;
      } else if (std::isspace(bytes_[at_]) != 0) {
        ++at_;
      } else {
        return;
      }
    }
  }

  std::string word() {
    skip_space();
    std::string out;
    while (more() && std::isspace(bytes_[at_]) == 0)
      out.push_back(static_cast<char>(bytes_[at_++]));
    return out;
  }

  std::int64_t number(const std::string& what, std::int64_t limit) {
    skip_space();
    const std::size_t start = at_;
    std::int64_t value = 0;
    while (more() && std::isdigit(bytes_[at_]) != 0 && value <= limit)
      value = value * 10 + (bytes_[at_++] - '0');
    if (at_ == start || value > limit) {
      at_ = start;
      fail_here(text(what, " of at most ", limit));
    }
    return value;
  }

  void one_space() {  // exactly one stands between a raw header and its samples
    if (!more() || std::isspace(bytes_[at_]) == 0) fail_here("one white space after the header");
    ++at_;
  }

  Header read_header() {
    if (!is_pnm(bytes_)) fail_here("P2, P3, P5, P6 or P7");
    const char kind = static_cast<char>(bytes_[1]);
    at_ = 2;
    if (kind == '7') return read_pam_header();
    Header header;
    header.plain = kind == '2' || kind == '3';
    header.depth = kind == '2' || kind == '5' ? 1 : 3;
    header.width = number("a width", kMaxPixels);
    header.height = number("a height", kMaxPixels);
    header.maxval = number("a maximal value", 65535);
    if (header.maxval == 0) fail_here("a maximal value of at least 1");
    one_space();
    return header;
  }

  Header read_pam_header() {
    Header header;
    while (true) {
      const std::size_t start = (skip_space(), at_);
      const std::string key = word();
      if (key == "ENDHDR") break;
      if (key == "WIDTH") {
        header.width = number("a width", kMaxPixels);
      } else if (key == "HEIGHT") {
        header.height = number("a height", kMaxPixels);
      } else if (key == "DEPTH") {
        header.depth = number("a depth", 4);
      } else if (key == "MAXVAL") {
        header.maxval = number("a maximal value", 65535);
      } else if (key == "TUPLTYPE") {
        word();  // the depth alone says what the samples are
      } else {
        at_ = start;
        fail_here("WIDTH, HEIGHT, DEPTH, MAXVAL, TUPLTYPE or ENDHDR");
      }
    }
    if (header.depth == 0 || header.maxval == 0) fail_here("DEPTH and MAXVAL before ENDHDR");
    one_space();
    return header;
  }

  // Before memory is taken for the pixels: can the rest of the file hold them at all?
  void check_room(const Header& header, std::int64_t pixels) const {
    const std::int64_t samples = pixels * header.depth;
    const std::int64_t needed =
        header.plain ? 2 * samples - 1 : samples * (header.maxval > 255 ? 2 : 1);
    if (static_cast<std::int64_t>(bytes_.size() - at_) < needed)
      fail_here(text("at least ", needed, " bytes of samples for ", header.width, " x ",
                     header.height, " pixels"));
  }

  std::uint32_t scaled_sample(const Header& header) {
    std::int64_t value = 0;
    if (header.plain) {
      value = number("a sample", header.maxval);
    } else {
      value = bytes_[at_];
      if (header.maxval > 255) value = value * 256 + bytes_[at_ + 1];
      if (value > header.maxval) fail_here(text("a sample of at most ", header.maxval));
      at_ += header.maxval > 255 ? 2 : 1;
    }
    return static_cast<std::uint32_t>((value * 255 + header.maxval / 2) / header.maxval);
  }

  std::span<const std::uint8_t> bytes_;
  const std::string& name_;
  std::size_t at_ = 0;
};

}  // namespace

bool is_pnm(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < 3 || bytes[0] != 'P' || std::isspace(bytes[2]) == 0) return false;
  return bytes[1] == '2' || bytes[1] == '3' || (bytes[1] >= '5' && bytes[1] <= '7');
}

Image decode_pnm(std::span<const std::uint8_t> bytes, const std::string& name) {
  return PnmReader(bytes, name).read();
}

}  // namespace ortho

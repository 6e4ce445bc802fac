#include "core/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "core/error.h"

namespace ortho {
namespace {

namespace fs = std::filesystem;

class Descriptor {
 public:
  Descriptor(const std::string& path, int flags, ErrorKind kind)
      : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {
    if (fd_ < 0) fail(kind, text("cannot open ", path, ": ", system_error()));
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int release_and_close() {
    const int fd = fd_;
    fd_ = -1;
    return ::close(fd);
  }

 private:
  int fd_;
};

void write_all(int fd, const char* data, size_t size, const std::string& path) {
  while (size > 0) {
    const ssize_t n = ::write(fd, data, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail(ErrorKind::disk, text("cannot write ", path, ": ", system_error()));
    data += n;
    size -= static_cast<size_t>(n);
  }
}

void sync_path(const std::string& path, int flags) {
  Descriptor file(path, flags, ErrorKind::disk);
  if (::fsync(file.get()) != 0)
    fail(ErrorKind::disk, text("cannot sync ", path, ": ", system_error()));
}

}  // namespace

std::vector<std::uint8_t> read_bytes(const std::string& path) {
  Descriptor file(path, O_RDONLY, ErrorKind::usage);
  struct stat info {};
  REQUIRE(::fstat(file.get(), &info) == 0 && S_ISREG(info.st_mode), path, " is not a regular file");
  std::vector<std::uint8_t> bytes(static_cast<size_t>(info.st_size));
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::read(file.get(), bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      fail(ErrorKind::data, text("cannot read ", path, " at byte ", done, ": ", system_error()));
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  bytes.resize(done);
  return bytes;
}

std::string read_file(const std::string& path) {
  const auto bytes = read_bytes(path);
  return {bytes.begin(), bytes.end()};
}

void publish_file(const std::string& temporary, const std::string& path) {
  sync_path(temporary, O_RDONLY);
  if (::rename(temporary.c_str(), path.c_str()) != 0)
    fail(ErrorKind::disk, text("cannot rename ", temporary, " to ", path, ": ", system_error()));
  const fs::path folder = fs::path(path).parent_path();
  sync_path(folder.empty() ? "." : folder.string(), O_RDONLY | O_DIRECTORY);
}

void write_file_durably(const std::string& path, const std::string& content) {
  const std::string temporary = path + ".tmp";
  {
    Descriptor file(temporary, O_WRONLY | O_CREAT | O_TRUNC, ErrorKind::disk);
    write_all(file.get(), content.data(), content.size(), temporary);
    if (file.release_and_close() != 0)
      fail(ErrorKind::disk, text("cannot close ", temporary, ": ", system_error()));
  }
  publish_file(temporary, path);
}

void append_line(const std::string& path, const std::string& line) {
  Descriptor file(path, O_WRONLY | O_CREAT | O_APPEND, ErrorKind::disk);
  const std::string whole = line + "\n";
  write_all(file.get(), whole.data(), whole.size(), path);
}

void make_folder(const std::string& path) {
  std::error_code code;
  fs::create_directories(path, code);
  if (code) fail(ErrorKind::disk, text("cannot create folder ", path, ": ", code.message()));
}

bool file_exists(const std::string& path) {
  std::error_code code;
  return fs::exists(path, code);
}

std::vector<std::string> list_folder(const std::string& path) {
  std::error_code code;
  fs::directory_iterator entries(path, code);
  REQUIRE(!code, "cannot read folder ", path, ": ", code.message());
  std::vector<std::string> names;
  for (const auto& entry : entries) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace ortho

#include "dataio/hdf5_draft.h"

#include <unistd.h>

#include "core/file.h"

namespace ortho {

Hdf5Draft::Hdf5Draft(const std::string& path) : path_(path), temporary_(path + ".tmp") {
  try {
    file_ = Hdf5File::create(temporary_);
  } catch (...) {
    discard();  // a full disk leaves an empty file here
    throw;
  }
}

Hdf5Draft::~Hdf5Draft() { discard(); }

void Hdf5Draft::discard() noexcept {
  file_.reset();
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  temporary_.clear();
}

Hdf5File& Hdf5Draft::file() {
  ASSERT(file_.has_value(), path_, " is closed already");
  return *file_;
}

void Hdf5Draft::publish(const std::function<void(const std::string& temporary)>& read_back) {
  try {
    file().sync_and_close();
    file_.reset();
    try {
      read_back(temporary_);
    } catch (const Error& error) {
      fail(ErrorKind::disk, text(path_, " does not read back as it was written: ", error.what()));
    }
    publish_file(temporary_, path_);
    temporary_.clear();
  } catch (...) {
    discard();
    throw;
  }
}

}  // namespace ortho

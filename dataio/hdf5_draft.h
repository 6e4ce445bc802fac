// A draft is an HDF5 file on its way: NAME.tmp until it is written, closed, read back and synced.
//
// A full disk can leave zeros behind calls that all said yes, so nothing gets its name unread. A
// draft that is destroyed before publish() removes its file.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "dataio/hdf5.h"

namespace ortho {

class Hdf5Draft {
 public:
  explicit Hdf5Draft(const std::string& path);
  ~Hdf5Draft();
  Hdf5Draft(const Hdf5Draft&) = delete;
  Hdf5Draft& operator=(const Hdf5Draft&) = delete;

  Hdf5File& file();

  // Flush, fsync, close, read_back(NAME.tmp), rename, fsync of the folder. Whatever read_back
  // throws becomes Error(disk). Datasets must be closed before.
  void publish(const std::function<void(const std::string& temporary)>& read_back);

 private:
  void discard() noexcept;

  std::string path_, temporary_;
  std::optional<Hdf5File> file_;
};

}  // namespace ortho

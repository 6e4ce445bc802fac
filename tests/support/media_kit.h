// Media files for tests, and the worker that decodes them, where both were built.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/file.h"
#include "tests/support/program.h"
#include "tests/support/temp_folder.h"

namespace ortho {

constexpr const char* kNoDecoder = "orthotope-decode was not built: FFmpeg's libraries are absent";

inline bool has_decoder() { return std::string(ORTHO_DECODE) != ""; }

// The files that make_media could write; the folder lives as long as the program.
class MediaFiles {
 public:
  static const MediaFiles& get() {
    static const MediaFiles files;
    return files;
  }
  std::vector<std::string> names() const { return list_folder(folder_.path()); }
  std::string path(const std::string& name) const { return folder_ / name; }

 private:
  MediaFiles() {
    const Outcome made = run_shell(std::string(ORTHO_MAKE_MEDIA) + " " + folder_.path());
    EXPECT_EQ(made.code, 0) << made.output;
  }
  TempFolder folder_;
};

}  // namespace ortho

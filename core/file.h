// Files that are whole or absent: write to NAME.tmp, fsync, rename, fsync the folder.
//
// A reader therefore never takes a half-written file
// for a whole one, whatever moment the writer died at.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ortho {

// The whole file. Error(usage) naming the path when it cannot be opened or is no regular file,
// Error(data) when reading fails.
std::string read_file(const std::string& path);
std::vector<std::uint8_t> read_bytes(const std::string& path);

// Writes all of `content` under `path` as described above.
// Error(disk) with the system's text when it cannot.
void write_file_durably(const std::string& path, const std::string& content);

// Second half of the protocol for a file already written
// and closed as `temporary` (HDF5 writes its own).
void publish_file(const std::string& temporary, const std::string& path);

void append_line(const std::string& path, const std::string& line);  // one write(2)
void make_folder(const std::string& path);                           // with parents
bool file_exists(const std::string& path);
std::vector<std::string> list_folder(const std::string& path);  // names, sorted bytewise

}  // namespace ortho

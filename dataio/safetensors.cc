#include "dataio/safetensors.h"

#include <fstream>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"

namespace ortho {

void write_safetensors(const std::string& path, const std::vector<NamedShape>& list,
                       const std::function<const float*(size_t)>& values) {
  std::string header = "{\"__metadata__\":{\"format\":\"pt\"}";
  std::int64_t begin = 0;
  for (const NamedShape& array : list) {
    std::string sizes;
    for (const std::int64_t size : array.shape) sizes += text(sizes.empty() ? "" : ",", size);
    const std::int64_t end = begin + 4 * elements(array.shape);
    header += text(",", json_string(array.name), ":{\"dtype\":\"F32\",\"shape\":[", sizes,
                   "],\"data_offsets\":[", begin, ",", end, "]}");
    begin = end;
  }
  header += '}';
  while (header.size() % 8 != 0) header += ' ';
  const std::string temporary = path + ".tmp";
  std::ofstream file(temporary, std::ios::binary);
  for (size_t i = 0; i < 8; ++i) file.put(static_cast<char>(header.size() >> (8 * i) & 255));
  file << header;
  for (size_t i = 0; i < list.size(); ++i)
    file.write(reinterpret_cast<const char*>(values(i)), 4 * elements(list[i].shape));
  file.close();
  if (!file) fail(ErrorKind::disk, text("cannot write ", temporary, ": ", system_error()));
  publish_file(temporary, path);
}

}  // namespace ortho

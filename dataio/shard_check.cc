#include <algorithm>

#include "core/error.h"
#include "dataio/media/utf8.h"
#include "dataio/shard_directory.h"

namespace ortho {
namespace {

// Names the file in front of whatever is wrong with it.
class Complaint {
 public:
  explicit Complaint(const std::string& path) : path_(path) {}
  template <class... Parts>
  void unless(bool right, const Parts&... parts) const {
    if (!right) [[unlikely]]
      fail(ErrorKind::data, text(path_, ": ", parts...));
  }

 private:
  const std::string& path_;
};

// Row i owns entries [i] to [i+1]-1 of a level with `count` rows.
void check_offsets(const Complaint& check, const std::vector<std::uint64_t>& offsets,
                   const char* name, std::uint64_t rows, std::uint64_t count) {
  check.unless(offsets.size() == rows + 1, name, " has ", offsets.size(), " entries where ",
               rows + 1, " belong");
  check.unless(offsets.front() == 0, name, " starts at ", offsets.front(), ", not at 0");
  for (std::uint64_t i = 0; i < rows; ++i)
    check.unless(offsets[i] <= offsets[i + 1], name, " falls from ", offsets[i], " to ",
                 offsets[i + 1], " at entry ", i + 1);
  check.unless(offsets.back() == count, name, " ends at ", offsets.back(), ", not at ", count);
}

void check_columns(const Complaint& check, const ShardDirectory& d) {
  check.unless(block_bytes_allowed(d.block_bytes), "blocks of ", d.block_bytes,
               " bytes; a power of two from 65536 to 67108864 belongs");
  check.unless(!d.source_offset.empty(), "/source/offset is empty");
  check_offsets(check, d.first_record, "/block/first_record", d.blocks(), d.records());
  check_offsets(check, d.first_part, "/record/first_part", d.records(), d.parts());
  check_offsets(check, d.source_offset, "/source/offset", d.sources(), d.source_text.size());
  check.unless(d.source.size() == d.records(), "/record/source has ", d.source.size(),
               " rows where ", d.records(), " belong");
  for (const auto& [rows, name] :
       {std::pair{d.dtype.size(), "/part/dtype"}, std::pair{d.shape.size() / 4, "/part/shape"},
        std::pair{d.rate.size() / 2, "/part/rate"}, std::pair{d.offset.size(), "/part/offset"},
        std::pair{d.nbytes.size(), "/part/nbytes"}})
    check.unless(rows == d.parts(), name, " has ", rows, " rows where ", d.parts(), " belong");
}

void check_sources(const Complaint& check, const ShardDirectory& d) {
  const auto* text = reinterpret_cast<const char*>(d.source_text.data());
  for (std::uint64_t i = 0; i < d.sources(); ++i) {
    const std::string_view name(text + d.source_offset[i],
                                d.source_offset[i + 1] - d.source_offset[i]);
    check.unless(is_utf8(name), "the name of source ", i, " is not valid UTF-8");
  }
}

void check_part(const Complaint& check, const ShardDirectory& d, std::uint64_t part,
                std::uint64_t record) {
  std::array<std::uint32_t, 4> shape{};
  std::array<std::uint32_t, 2> rate{};
  std::copy_n(d.shape.begin() + static_cast<std::ptrdiff_t>(4 * part), 4, shape.begin());
  std::copy_n(d.rate.begin() + static_cast<std::ptrdiff_t>(2 * part), 2, rate.begin());
  const auto dtype = static_cast<DType>(d.dtype[part]);
  const std::string fault = part_fault(static_cast<PartKind>(d.modality[part]), dtype, shape, rate);
  check.unless(fault.empty(), "record ", record, " part ", part, ": ", fault);
  const std::uint64_t bytes = part_bytes(shape, dtype);
  if (bytes != d.nbytes[part])  // the text of a shape costs more than all checks of a part
    check.unless(false, "record ", record, " part ", part, " of shape ", list_text(shape), " has ",
                 d.nbytes[part], " bytes where ", bytes, " belong");
  check.unless(d.offset[part] % 8 == 0, "record ", record, " part ", part, " lies at byte ",
               d.offset[part], ", no multiple of 8");
}

// Blocks own records, continuation blocks none;
// a unit holds one split, a longer one just one record.
void check_units(const Complaint& check, const ShardDirectory& d) {
  check.unless(d.blocks() == 0 || d.first_record[1] > 0, "block 0 starts no record");
  const std::uint64_t most_blocks = std::max<std::uint64_t>(1, kUnitBytesLimit / d.block_bytes);
  for (const Unit& unit : shard_units(d)) {
    check.unless(unit.blocks == 1 || unit.records == 1, "block ", unit.first_block, " starts ",
                 unit.records, " records and goes on into the next block");
    check.unless(unit.blocks <= most_blocks, "block ", unit.first_block, " goes on for ",
                 unit.blocks, " blocks; the limit is ", kUnitBytesLimit, " bytes");
    for (std::uint64_t i = unit.first_record; i < unit.first_record + unit.records; ++i)
      check.unless(d.split[i] == static_cast<std::uint8_t>(unit.split), "block ", unit.first_block,
                   " mixes splits: record ", i);
  }
}

// Parts ascend, do not overlap, and lie inside their record's unit.
void check_places(const Complaint& check, const ShardDirectory& d) {
  std::uint64_t end = 0, sum = 0;
  for (const Unit& unit : shard_units(d)) {
    const std::uint64_t unit_end = (unit.first_block + unit.blocks) * d.block_bytes;
    end = std::max(end, unit.first_block * d.block_bytes);
    for (std::uint64_t part = d.first_part[unit.first_record];
         part < d.first_part[unit.first_record + unit.records]; ++part) {
      check.unless(d.offset[part] >= end, "part ", part, " starts at byte ", d.offset[part],
                   ", before ", end);
      check.unless(d.offset[part] <= unit_end && d.nbytes[part] <= unit_end - d.offset[part],
                   "part ", part, " at byte ", d.offset[part], " with ", d.nbytes[part],
                   " bytes leaves its unit, which ends at ", unit_end);
      end = d.offset[part] + d.nbytes[part];
      sum += d.nbytes[part];
    }
  }
  check.unless(sum == d.payload_bytes, "payload_bytes is ", d.payload_bytes, ", the parts have ",
               sum);
}

}  // namespace

void check_directory(const ShardDirectory& d, const std::string& path) {
  const Complaint check(path);
  check_columns(check, d);
  check_sources(check, d);
  for (std::uint64_t record = 0; record < d.records(); ++record) {
    check.unless(d.split[record] < kSplits, "record ", record, " has unknown split ",
                 int{d.split[record]});
    check.unless(d.source[record] < d.sources(), "record ", record, " names source ",
                 d.source[record], " of ", d.sources());
    check.unless(d.first_part[record] < d.first_part[record + 1], "record ", record,
                 " has no parts");
    for (std::uint64_t part = d.first_part[record]; part < d.first_part[record + 1]; ++part)
      check_part(check, d, part, record);
  }
  check_units(check, d);
  check_places(check, d);
}

}  // namespace ortho

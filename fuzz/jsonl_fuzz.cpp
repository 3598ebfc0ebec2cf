// Data files of arbitrary bytes: the records do not depend on how the stream is cut into chunks,
// and a record that the checks accept can be read in its format.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/errors.h"
#include "data/record_format.h"
#include "data/record_scanner.h"

namespace {

class MemorySource final : public svtune::ByteSource {
 public:
  explicit MemorySource(std::string_view bytes) : rest_(bytes) {}
  std::size_t read(std::span<char> into) override {
    const std::size_t size = std::min(into.size(), rest_.size());
    std::memcpy(into.data(), rest_.data(), size);
    rest_.remove_prefix(size);
    return size;
  }
  const std::string& name() const override { return name_; }

 private:
  std::string_view rest_;
  std::string name_ = "input";
};

using Record = std::tuple<std::uint64_t, std::int64_t, std::string>;

// The records, and the error that ended the file as a last one.
std::vector<Record> scan(std::string_view bytes, std::size_t chunk_bytes) {
  std::vector<Record> out;
  MemorySource source(bytes);
  std::string teed;
  try {
    svtune::RecordScanner scanner(
        source, [&](std::string_view part) { teed += part; }, chunk_bytes);
    svtune::ScannedRecord record;
    while (scanner.next(record)) {
      if (bytes.substr(record.offset, record.text.size()) != record.text) std::abort();
      out.emplace_back(record.offset, record.line, std::string(record.text));
    }
    if (teed != bytes) std::abort();
  } catch (const svtune::FileError& error) {
    out.emplace_back(0, 0, error.what());
  }
  return out;
}

void check_record(svtune::RecordReader& reader, const std::string& text) {
  const bool sure = reader.surely_fits(text);
  svtune::Json json;
  try {
    json = svtune::parse_json(text, "record");
  } catch (const svtune::FileError&) {
    if (sure) std::abort();
    return;
  }
  const bool fits = json.is_object() && reader.problem(json).empty();
  if (sure && !fits) std::abort();
  if (fits) reader.example(json);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::vector<Record> records = scan(bytes, std::size_t{1} << 16);
  if (scan(bytes, 1 + data[0] % 16) != records) std::abort();
  svtune::RecordReader any;
  svtune::RecordReader fixed(static_cast<svtune::RecordFormat>(1 + data[0] % 8));
  for (const auto& [offset, line, text] : records) {
    check_record(any, text);
    check_record(fixed, text);
  }
  return 0;
}

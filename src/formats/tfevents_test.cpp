// Event files read back with the tensorboard package; CRC-32C against RFC 3720's vectors.
#include "formats/tfevents.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/errors.h"
#include "base/oracle_test_util.h"

namespace svtune {
namespace tfevents_test {

std::uint32_t crc_of(const std::string& text) {
  return crc32c(std::as_bytes(std::span(text.data(), text.size())));
}

TEST(Crc32c, MatchesTheVectorsOfRfc3720) {
  EXPECT_EQ(crc_of(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(crc_of(std::string(32, '\xFF')), 0x62A8AB43U);
  EXPECT_EQ(crc_of("123456789"), 0xE3069283U);
  EXPECT_EQ(crc_of(""), 0U);
}

void write_events(const std::filesystem::path& directory) {
  EventWriter writer(directory, 1700000000.5);
  for (int step = 0; step < 300; ++step) {
    writer.add_scalar("train/loss", 1.0F / static_cast<float>(step + 1), step, 1700000001.0 + step);
  }
  writer.add_scalar("train/lr", 1e-4F, std::int64_t{1} << 40, 1700000002.25);
  writer.add_text("sample", "**hello** é", 7, 1700000003.0);
  writer.flush();
}

TEST(EventWriter, TensorboardReadsScalarsAndTexts) {
  const std::string python = test::oracle_python("tensorboard");
  if (python.empty()) GTEST_SKIP() << "no Python with tensorboard";
  test::TempDirectory directory;
  write_events(directory.path());
  const std::string script = R"(
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
a = EventAccumulator(sys.argv[1], size_guidance={'scalars': 0}).Reload()
loss = a.Scalars('train/loss')
lr = a.Scalars('train/lr')[0]
text = a.Tensors('sample/text_summary')[0]
print(len(loss), loss[3].step, loss[3].value, loss[3].wall_time, lr.step, lr.wall_time,
      a.SummaryMetadata('sample/text_summary').plugin_data.plugin_name,
      text.step, text.tensor_proto.string_val[0].decode(), sep='|', end='')
)";
  EXPECT_EQ(test::run_oracle(python, script, {directory.path()}),
            "300|3|0.25|1700000004.0|1099511627776|1700000002.25|text|7|**hello** é");
}

TEST(EventWriter, RecordsAreFramedWithBothChecksums) {
  test::TempDirectory directory;
  write_events(directory.path());
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
    ++files;
    EXPECT_TRUE(entry.path().filename().string().starts_with("events.out.tfevents.1700000000."));
    const std::string content = read_file(entry.path(), 1 << 20);
    std::size_t records = 0;
    for (std::size_t pos = 0; pos < content.size(); ++records) {
      std::uint64_t size = 0;
      ASSERT_LE(pos + 16, content.size());
      std::memcpy(&size, content.data() + pos, 8);
      std::uint32_t stored = 0;
      std::memcpy(&stored, content.data() + pos + 8, 4);
      const std::uint32_t unmasked = stored - 0xA282EAD8U;
      EXPECT_EQ(unmasked << 15 | unmasked >> 17, crc_of(content.substr(pos, 8)));
      pos += 16 + size;
      ASSERT_LE(pos, content.size());
    }
    EXPECT_EQ(records, 303U);
  }
  EXPECT_EQ(files, 1U);
}

TEST(EventWriter, MissingDirectoryIsAnError) {
  test::TempDirectory directory;
  EXPECT_THROW(EventWriter(directory / "none", 0), FileError);
}

}  // namespace tfevents_test
}  // namespace svtune

#include "text/byte_level.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace svtune {
namespace byte_level_test {

TEST(ByteLevel, SpaceAndLineFeedAreWrittenAsInGpt2Vocabularies) {
  std::string out;
  append_byte_level(out, " a\n\xC3\xA9\xFF");
  EXPECT_EQ(out, "ĠaĊÃ©ÿ");
}

TEST(ByteLevel, EveryByteHasItsOwnCharacterAndComesBack) {
  std::set<std::uint32_t> seen;
  for (int byte = 0; byte < 256; ++byte) {
    const std::uint32_t code_point = byte_level_code_point(static_cast<std::uint8_t>(byte));
    EXPECT_TRUE(seen.insert(code_point).second);
    EXPECT_EQ(byte_level_byte(code_point), byte);
  }
  EXPECT_EQ(*seen.rbegin(), 0x143u);
}

TEST(ByteLevel, TokenWithAForeignCharacterIsKeptAsItIs) {
  std::string out = "x";
  append_byte_level_decoded(out, "Ġ世");
  EXPECT_EQ(out, "xĠ世");
  append_byte_level_decoded(out, "Ġb");
  EXPECT_EQ(out, "xĠ世 b");
}

}  // namespace byte_level_test
}  // namespace svtune

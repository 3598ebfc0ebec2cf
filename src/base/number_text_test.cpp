// Numbers as text beside printf and strtod in the C locale, and unchanged in one with a comma.
#include "base/number_text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <vector>

#include "base/comma_locale_test_util.h"
#include "base/json.h"
#include "base/random.h"
#include "base/text_util.h"

namespace svtune {
namespace number_text_test {

std::string printed(const char* format, int digits, double value) {
  char buffer[900];
  std::snprintf(buffer, sizeof buffer, format, digits, value);
  return buffer;
}

// Corner values and doubles of random bits.
std::vector<double> sample_values() {
  std::vector<double> values{0.0,
                             -0.0,
                             0.5,
                             2.5,
                             0.125,
                             1e23,
                             9.995,
                             1e-5,
                             1e16,
                             123456,
                             5e-324,
                             2.2e-308,
                             1e308,
                             -1.5,
                             999999,
                             1000000,
                             0.0001,
                             1e22,
                             std::numeric_limits<double>::max()};
  Xoshiro256 random(7);
  for (int i = 0; i < 2000; ++i) {
    double value;
    const std::uint64_t bits = random.next_u64();
    std::memcpy(&value, &bits, sizeof value);
    if (std::isfinite(value)) values.push_back(value);
  }
  return values;
}

TEST(NumberText, EqualsPrintf) {
  for (const double value : sample_values()) {
    for (const int digits : {0, 1, 2, 6, 17}) {
      EXPECT_EQ(fixed(value, digits), printed("%.*f", digits, value));
      EXPECT_EQ(scientific(value, digits), printed("%.*e", digits, value));
      EXPECT_EQ(general(value, digits), printed("%.*g", digits, value));
    }
  }
  EXPECT_EQ(fixed(-INFINITY, 2), "-inf");
  EXPECT_EQ(fixed(NAN, 2), "nan");
}

TEST(NumberText, ParsesAsStrtod) {
  for (const double value : sample_values()) {
    const std::string text = scientific(value, 17);
    EXPECT_EQ(parse_decimal(text), std::strtod(text.c_str(), nullptr)) << text;
  }
  for (const char* text :
       {"1", "+1", "-1", ".5", "5.", "1e5", "1E+5", "1e-5", "00012", "1e400", "-1e400", "1e-400",
        "0.0000001e-320", "123456789e320", "0e999999999999", "1e99999999999999999999",
        "1e-99999999999999999999", "0.00000000000000000000000000000000000000001e330"}) {
    EXPECT_EQ(parse_decimal(text), std::strtod(text, nullptr)) << text;
  }
  const std::string many_zeros = "0." + std::string(400, '0') + "1e5";
  EXPECT_EQ(parse_decimal(many_zeros), 0);
  EXPECT_EQ(parse_decimal("1" + std::string(400, '0')), INFINITY);
  EXPECT_TRUE(std::signbit(*parse_decimal("-0")));
}

TEST(NumberText, RefusesWhatIsNoDecimalNumber) {
  for (const char* text : {"", "+", "-", ".", "e5", "1e", "1,5", "1 ", " 1", "0x10", "inf", "nan",
                           "--1", "+-1", "1.2.3", "1e5.0"}) {
    EXPECT_FALSE(parse_decimal(text)) << text;
  }
}

TEST(NumberText, PadsDigits) {
  EXPECT_EQ(zero_padded(12, 5), "00012");
  EXPECT_EQ(zero_padded(123456, 5), "123456");
  EXPECT_EQ(hexadecimal(0xE9, 4), "00e9");
  EXPECT_EQ(percent(0.625), "62.5 %");
}

TEST(NumberText, IsTheSameInALocaleWithADecimalComma) {
  const test::CommaLocale comma;
  if (!comma.set()) GTEST_SKIP() << "no locale with a decimal comma can be made here";
  EXPECT_EQ(fixed(1.5, 1), "1.5");
  EXPECT_EQ(parse_decimal("1.5"), 1.5);
  EXPECT_EQ(format_bytes(1536), "1.50 KiB");
  EXPECT_EQ(format_short_count(1234), "1.23K");
  EXPECT_EQ(format_count(1234567), "1,234,567");
  const Json json = parse_json("[1.5, 1e400, 2.5e-3]", "test");
  EXPECT_EQ(json[0].get<double>(), 1.5);
  EXPECT_EQ(json[1].get<double>(), INFINITY);
  EXPECT_EQ(dump_json(Json(0.25)), "0.25");
}

}  // namespace number_text_test
}  // namespace svtune

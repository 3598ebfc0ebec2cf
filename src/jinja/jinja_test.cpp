// The template language against jinja2 (golden cases, see tests/golden/jinja/generate.py), its
// limits, and what it refuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <string>

#include "base/comma_locale_test_util.h"
#include "base/files.h"
#include "base/json.h"
#include "jinja/error.h"
#include "jinja/interpreter.h"
#include "jinja/parser.h"

namespace svtune::jinja {
namespace jinja_test {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::string kGolden = std::string(SVTUNE_SOURCE_DIR) + "/tests/golden/jinja/";

// The clock of the golden cases: Friday 26 July 2024, 13:00.
std::tm golden_clock() {
  std::tm now{};
  now.tm_year = 124;
  now.tm_mon = 6;
  now.tm_mday = 26;
  now.tm_hour = 13;
  now.tm_wday = 5;
  now.tm_yday = 207;
  return now;
}

Rendering render_json(const std::string& source, const Json& variables, const Limits& limits = {}) {
  Variables values;
  for (const auto& [key, value] : variables.items()) {
    values.emplace_back(key, Value::from_json(value));
  }
  return render(parse_template(source, "test"), std::move(values), limits, golden_clock());
}

std::string render_text(const std::string& source, const Json& variables = Json::object()) {
  return render_json(source, variables).text;
}

// Message of the error that parsing or rendering gives.
std::string error_of(const std::string& source, const Limits& limits = {}) {
  try {
    render_json(source, Json::object(), limits);
  } catch (const TemplateError& error) {
    return error.what();
  }
  return "no error";
}

Json spans_of(const Rendering& rendering) {
  Json spans = Json::array();
  for (const Span& span : rendering.generation) spans.push_back({span.begin, span.end});
  return spans;
}

TEST(Jinja, EqualsJinja2OnGoldenCases) {
  const Json golden = read_json_file(kGolden + "cases.json");
  std::map<std::string, std::string> files;
  int compared = 0, refused = 0;
  for (const Json& each : golden["cases"]) {
    std::string source = each["template"].get<std::string>();
    if (source.ends_with(".jinja")) {
      std::string& text = files[source];
      if (text.empty()) text = read_file(kGolden + "templates/" + source, 1 << 20);
      source = text;
    }
    const Json& variables = each["variables"].is_string() ? golden["shared"] : each["variables"];
    const Json& expected = each["expected"];
    if (expected.contains("error")) {
      EXPECT_THROW(render_json(source, variables), TemplateError) << source;
      ++refused;
      continue;
    }
    const Rendering rendering = render_json(source, variables);
    EXPECT_EQ(rendering.text, expected["text"].get<std::string>()) << source;
    EXPECT_EQ(spans_of(rendering), expected["spans"]) << source;
    ++compared;
  }
  EXPECT_GE(compared, 130);
  EXPECT_GE(refused, 15);
}

TEST(Jinja, NamesUnsupportedConstructsWithTheirLine) {
  EXPECT_THAT(error_of("a\nb {% include 'x' %}"), HasSubstr("line 2: unsupported tag 'include'"));
  EXPECT_THAT(error_of("\n\n{{ x | random }}"), HasSubstr("line 3: unsupported filter 'random'"));
  EXPECT_THAT(error_of("{{ x is weird }}"), HasSubstr("line 1: unsupported test 'weird'"));
  EXPECT_THAT(error_of("{% for x in y recursive %}{% endfor %}"), HasSubstr("recursive for loop"));
  EXPECT_THAT(error_of("{% extends 'base' %}"), HasSubstr("unsupported tag 'extends'"));
  EXPECT_THAT(error_of("{{ {}.fromkeys([1]) }}"), HasSubstr("unsupported method 'fromkeys'"));
  EXPECT_THAT(error_of("{% for x in [1] %}{{ loop.changed(x) }}{% endfor %}"),
              HasSubstr("unsupported method 'changed'"));
  EXPECT_THAT(error_of("{{ '\\N{DASH}' }}"), HasSubstr("unsupported escape"));
}

TEST(Jinja, NamesSyntaxErrorsWithTheirLine) {
  EXPECT_THAT(error_of("{% if x %}\n"), HasSubstr("'endif' is missing"));
  EXPECT_THAT(error_of("\n{{ 1 + }}"), HasSubstr("line 2: expected an expression, got '}}'"));
  EXPECT_THAT(error_of("{{ 'abc }}"), HasSubstr("a string is not closed"));
  EXPECT_THAT(error_of("{% endfor %}"), HasSubstr("unexpected tag 'endfor'"));
  EXPECT_THAT(error_of("x {# y"), HasSubstr("a comment is not closed"));
  EXPECT_THAT(error_of("{{ (1 }}"), HasSubstr("unexpected '}'"));
  EXPECT_THAT(error_of("{% break %}"), HasSubstr("outside of a for loop"));
  EXPECT_THAT(error_of("a\n\xff"), AllOf(HasSubstr("line 2"), HasSubstr("not valid UTF-8")));
  EXPECT_THAT(error_of("{{ 99999999999999999999 }}"), HasSubstr("exceeds 64 bits"));
}

TEST(Jinja, NamesTheLineOfRuntimeErrors) {
  EXPECT_THAT(error_of("\n\n{{ missing.name }}"), HasSubstr("line 3: 'missing' is undefined"));
  EXPECT_THAT(error_of("{{ raise_exception('roles must alternate') }}"),
              HasSubstr("roles must alternate"));
  EXPECT_THAT(error_of("{{ [1].append(2) }}"), HasSubstr("cannot be changed by a template"));
}

TEST(Jinja, StopsAtItsLimits) {
  EXPECT_THAT(error_of("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}"
                       "{% endfor %}"),
              HasSubstr("steps"));
  EXPECT_THAT(error_of("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"), HasSubstr("recurses"));
  EXPECT_THAT(error_of("{{ 'ab' * 999999999 }}"), HasSubstr("limit of 64.0 MiB"));
  EXPECT_THAT(error_of("{{ '%999999d' % 1 }}"), HasSubstr("exceeds 100000"));
  EXPECT_THAT(error_of("{{ 'x'.center(9999999999) }}"), HasSubstr("limit"));
  EXPECT_THAT(error_of("{{ [0] * 99999999 }}"), HasSubstr("limit"));
  EXPECT_THAT(error_of("{{ " + std::string(1000, '(') + std::string(1000, ')') + " }}"),
              HasSubstr("too deep"));
  std::string chain = "{{ 1";
  for (int i = 0; i < 5000; ++i) chain += " + 1";
  EXPECT_THAT(error_of(chain + " }}"), HasSubstr("too long"));
  EXPECT_THAT(error_of("{% set n = namespace(x=[]) %}{% for i in range(200) %}"
                       "{% set n.x = [n.x] %}{% endfor %}"),
              HasSubstr("nest deeper"));
  Limits small;
  small.output_bytes = 10;
  EXPECT_THAT(error_of("{% for i in range(20) %}{{ i }}{% endfor %}", small),
              HasSubstr("exceeds the limit"));
}

// `x` and `y` become equal lists (or tuples) of 2^60 leaves each that share all but 60 of them.
std::string doubled(const std::string& open, const std::string& close, const std::string& rest) {
  return "{% set n = namespace(x=0, y=0) %}{% for i in range(60) %}{% set n.x = " + open +
         "n.x, n.x" + close + " %}{% set n.y = " + open + "n.y, n.y" + close + " %}{% endfor %}" +
         rest;
}

TEST(Jinja, CountsComparisonsOfSharedPartsAsSteps) {
  for (const char* use :
       {"{{ n.x == n.y }}", "{{ n.x in [n.y] }}", "{{ n.x < n.y }}", "{{ [n.y].index(n.x) }}",
        "{{ [n.y].count(n.x) }}", "{{ [n.x, n.y]|sort }}", "{{ [n.x, n.y]|unique|list }}",
        "{{ [n.x, n.y]|max }}", "{{ n.x is eq(n.y) }}"}) {
    EXPECT_THAT(error_of(doubled("[", "]", use)), HasSubstr("steps")) << use;
  }
  EXPECT_THAT(error_of(doubled("(", ")", "{{ {n.x: 1} }}")), HasSubstr("steps"));
  EXPECT_EQ(render_text("{% set x = range(90000)|list %}{{ x == range(90000)|list }}"), "True");
  // Numbers as keys are looked up one by one.
  EXPECT_THAT(error_of("{% set n = namespace(d=[]) %}{% for i in range(99999) %}"
                       "{% set n.d = n.d + [(i, i)] %}{% endfor %}{{ dict(n.d)|length }}"),
              HasSubstr("steps"));
}

TEST(Jinja, FreesCirclesOfNamespacesAndMacros) {
  // Leaks would be reported by the address sanitizer.
  EXPECT_EQ(render_text("{% set n = namespace() %}{% set n.me = n %}"
                        "{% macro f() %}{{ n.me.me is defined }}{% endmacro %}{% set n.f = f %}"
                        "{{ n.f() }}"),
            "True");
  EXPECT_EQ(render_text("{% set n = namespace(last=none) %}{% for i in range(50000) %}"
                        "{% set n.last = namespace(before=n.last) %}{% endfor %}ok"),
            "ok");
}

TEST(Jinja, GenerationInsideAMacroHasNoKnownPlace) {
  const Rendering rendering = render_json(
      "{% macro f() %}{% generation %}x{% endgeneration %}{% endmacro %}{{ f() }}", Json::object());
  EXPECT_EQ(rendering.text, "x");
  EXPECT_FALSE(rendering.generation_known);
}

TEST(Jinja, IsTheSameInALocaleWithADecimalComma) {
  const std::string source =
      "{{ 1.5 }} {{ '2.25'|float }} {{ '%.2f %e %g' % (1.5, 1.5, 1.5) }} {{ "
      "'{:,.1f}'.format(1234.5) }} "
      "{{ 2.567|round(1) }} {{ 12345678 }} {{ strftime_now('%a %d %B %Y %x %c') }}";
  const std::string expected = render_text(source);
  EXPECT_EQ(expected,
            "1.5 2.25 1.50 1.500000e+00 1.5 1,234.5 2.6 12345678 "
            "Fri 26 July 2024 07/26/24 Fri Jul 26 13:00:00 2024");
  const test::CommaLocale comma;
  EXPECT_EQ(render_text(source), expected);
  if (!comma.set()) GTEST_SKIP() << "only streams could be tried: localedef made no locale";
}

TEST(Jinja, FormatsRealsAsPrintf) {
  for (const double value : {0.0, 1.0, 0.5, 1e-5, 123456.0, 1e6, 1e300, 9.9999995}) {
    for (const std::string flags : {"", "+", " ", "#", "+#"}) {
      for (const std::string precision : {"", ".0", ".1", ".3", ".10"}) {
        for (const char conversion : {'f', 'F', 'e', 'E', 'g', 'G'}) {
          const std::string format = "%" + flags + precision + conversion;
          char expected[512];
          std::snprintf(expected, sizeof expected, format.c_str(), value);
          EXPECT_EQ(render_text("{{ format % value }}", {{"format", format}, {"value", value}}),
                    expected)
              << format << " " << value;
        }
      }
    }
  }
}

TEST(Jinja, NeverReadsTheClock) {
  const TemplateTree tree = parse_template("\n{{ strftime_now('%Y') }}", "test");
  try {
    render(tree, {}, {}, std::nullopt);
    FAIL() << "rendered without a date";
  } catch (const TemplateError& error) {
    EXPECT_THAT(error.what(), HasSubstr("line 2: strftime_now: the template asks for the date"));
  }
}

TEST(Jinja, ReadsNumbersBeyond64Bits) {
  EXPECT_EQ(render_text("{{ x }}", {{"x", 18446744073709551615ULL}}), "1.8446744073709552e+19");
}

}  // namespace jinja_test
}  // namespace svtune::jinja

#define PCRE2_CODE_UNIT_WIDTH 8
#include "adapters/module_match.h"

#include <pcre2.h>

#include <memory>

#include "base/errors.h"

namespace svtune {
namespace {

constexpr std::uint32_t kMatchLimit = 1000000;  // keeps a hostile pattern from hanging

struct CodeFree {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct DataFree {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
struct ContextFree {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};

constexpr char kIndexGroup[] = "idx";

// Python's {,n} means {0,n}, and {,} any number; PCRE2 before 10.43 takes both for text.
std::string with_lower_bounds(const std::string& pattern) {
  std::string out;
  bool in_class = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    out += c;
    if (c == '\\' && i + 1 < pattern.size()) {
      out += pattern[++i];
    } else if (in_class) {
      in_class = c != ']';
    } else if (c == '[') {
      in_class = true;
    } else if (c == '{' && i + 1 < pattern.size() && pattern[i + 1] == ',') {
      const std::size_t end = pattern.find_first_not_of("0123456789", i + 2);
      if (end != std::string::npos && pattern[end] == '}') out += '0';
    }
  }
  return out;
}

// `index` receives the text of the index group where the pattern has one that took part.
bool match_anchored(const std::string& pattern, const std::string& shown, const std::string& name,
                    std::optional<std::string>* index = nullptr) {
  const std::string expression = with_lower_bounds(pattern);
  int error = 0;
  PCRE2_SIZE offset = 0;
  const std::unique_ptr<pcre2_code, CodeFree> code(pcre2_compile(
      reinterpret_cast<PCRE2_SPTR>(expression.data()), expression.size(),
      PCRE2_ANCHORED | PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr));
  if (!code) {
    PCRE2_UCHAR text[160];
    pcre2_get_error_message(error, text, sizeof text);
    throw UsageError("module pattern \"" + shown +
                     "\" is no valid regular expression: " + reinterpret_cast<const char*>(text));
  }
  const std::unique_ptr<pcre2_match_data, DataFree> data(
      pcre2_match_data_create_from_pattern(code.get(), nullptr));
  const std::unique_ptr<pcre2_match_context, ContextFree> context(
      pcre2_match_context_create(nullptr));
  pcre2_set_match_limit(context.get(), kMatchLimit);
  const int found = pcre2_match(code.get(), reinterpret_cast<PCRE2_SPTR>(name.data()), name.size(),
                                0, 0, data.get(), context.get());
  if (found < 0 && found != PCRE2_ERROR_NOMATCH) {
    throw UsageError("module pattern \"" + shown + "\" takes too long to match \"" + name + "\"");
  }
  if (found >= 0 && index != nullptr) {
    PCRE2_UCHAR* text = nullptr;
    PCRE2_SIZE length = 0;
    if (pcre2_substring_get_byname(data.get(), reinterpret_cast<PCRE2_SPTR>(kIndexGroup), &text,
                                   &length) == 0) {
      *index = std::string(reinterpret_cast<const char*>(text), length);
      pcre2_substring_free(text);
    }
  }
  return found >= 0;
}

}  // namespace

bool matches_pattern_key(const std::string& key, const std::string& name) {
  return match_anchored("(?:.*\\.)?(?:" + key + ")$", key, name);
}

bool matches_full(const std::string& pattern, const std::string& name) {
  return match_anchored("(?:" + pattern + ")\\z", pattern, name);
}

std::optional<std::string> match_index(const std::string& pattern, const std::string& name) {
  std::optional<std::string> index;
  match_anchored(pattern, pattern, name, &index);
  return index;
}

}  // namespace svtune

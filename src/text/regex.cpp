#include "text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <cstdint>

#include "base/errors.h"
#include "text/utf8.h"

namespace svtune {
namespace {

constexpr std::size_t kMaxPatternBytes = 1 << 16;
constexpr std::uint32_t kMatchLimit = 1'000'000;
constexpr std::uint32_t kDepthLimit = 100'000;
constexpr std::uint32_t kHeapLimitKib = 64 * 1024;

std::string pcre2_message(int code) {
  PCRE2_UCHAR buffer[256];
  pcre2_get_error_message(code, buffer, sizeof(buffer));
  return reinterpret_cast<const char*>(buffer);
}

struct MatchDataDeleter {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
using MatchData = std::unique_ptr<pcre2_match_data, MatchDataDeleter>;

}  // namespace

struct Regex::Program {
  pcre2_code* code = nullptr;
  pcre2_match_context* context = nullptr;
  std::string pattern;

  ~Program() {
    pcre2_code_free(code);
    pcre2_match_context_free(context);
  }

  // One match at or behind `from`; false when there is none.
  bool match(std::string_view text, std::size_t from, std::uint32_t options,
             pcre2_match_data* data) const {
    const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    options |= PCRE2_NO_UTF_CHECK;
    int result = pcre2_match(code, subject, text.size(), from, options, data, context);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT) {
      result = pcre2_match(code, subject, text.size(), from, options | PCRE2_NO_JIT, data, context);
    }
    if (result == PCRE2_ERROR_NOMATCH) return false;
    if (result < 0) {
      throw RunError("the regular expression \"" + pattern + "\" failed on a text of " +
                         std::to_string(text.size()) + " bytes: " + pcre2_message(result),
                     "Split the text into shorter parts.");
    }
    return true;
  }
};

Regex::Regex(std::string_view pattern, const std::string& file) {
  compile(translate_oniguruma(pattern, file), pattern, file);
}

Regex Regex::literal(std::string_view text, const std::string& file) {
  std::string quoted;
  for (const char c : text) {
    const bool plain = static_cast<std::uint8_t>(c) >= 0x80 || (c >= '0' && c <= '9') ||
                       (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!plain) quoted.push_back('\\');
    quoted.push_back(c);
  }
  Regex regex;
  regex.compile(quoted, text, file);
  return regex;
}

void Regex::compile(const std::string& translated, std::string_view pattern,
                    const std::string& file) {
  if (translated.size() > kMaxPatternBytes) {
    throw FileError(file, "a regular expression has " + std::to_string(translated.size()) +
                              " bytes, the limit is " + std::to_string(kMaxPatternBytes));
  }
  auto program = std::make_shared<Program>();
  program->pattern = pattern;
  const std::uint32_t options =
      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY;
  int error = 0;
  PCRE2_SIZE offset = 0;
  program->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                                options, &error, &offset, nullptr);
  if (program->code == nullptr) {
    throw FileError(file, "the regular expression \"" + program->pattern +
                              "\" does not compile: " + pcre2_message(error));
  }
  // Without the just-in-time compiler (not on every processor) matching is only slower.
  pcre2_jit_compile(program->code, PCRE2_JIT_COMPLETE);
  program->context = pcre2_match_context_create(nullptr);
  pcre2_set_match_limit(program->context, kMatchLimit);
  pcre2_set_depth_limit(program->context, kDepthLimit);
  pcre2_set_heap_limit(program->context, kHeapLimitKib);
  program_ = std::move(program);
}

void Regex::for_each_match(std::string_view text, FunctionRef<void(MatchRange)> found) const {
  const MatchData data(pcre2_match_data_create_from_pattern(program_->code, nullptr));
  const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(data.get());
  std::size_t from = 0;
  std::size_t last_end = std::string_view::npos;
  while (from <= text.size() && program_->match(text, from, 0, data.get())) {
    const MatchRange range{bounds[0], bounds[1]};
    const bool empty = range.begin >= range.end;
    if (empty) {
      // An empty match directly behind the previous match does not count.
      if (range.begin != last_end) found({range.begin, range.begin});
      if (range.begin >= text.size()) break;
      from = range.begin + utf8_length(text[range.begin]);
    } else {
      found(range);
      from = range.end;
    }
    last_end = empty ? range.begin : range.end;
  }
}

}  // namespace svtune

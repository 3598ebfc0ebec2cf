#include "text/normalizer.h"

#include <optional>
#include <utility>

#include "base/errors.h"
#include "base/text_util.h"
#include "text/byte_level.h"
#include "text/regex.h"
#include "text/unicode_class.h"
#include "text/utf8.h"

namespace svtune {
namespace {

constexpr std::size_t kMaxContentBytes = 1024;

std::size_t count_of(std::string_view text, std::string_view pattern) {
  std::size_t count = 0;
  for (std::size_t at = text.find(pattern); at != text.npos;
       at = text.find(pattern, at + pattern.size())) {
    ++count;
  }
  return count;
}

class UnicodeNormalizer final : public Normalizer {
 public:
  explicit UnicodeNormalizer(UnicodeForm form) : form_(form) {}
  void apply(std::string& text) const override { apply_unicode_form(form_, text); }

 private:
  UnicodeForm form_;
};

class LowercaseNormalizer final : public Normalizer {
 public:
  void apply(std::string& text) const override { text = lower_case(text); }
};

class PrependNormalizer final : public Normalizer {
 public:
  explicit PrependNormalizer(std::string prefix) : prefix_(std::move(prefix)) {}
  void apply(std::string& text) const override {
    if (!text.empty()) text.insert(0, prefix_);
  }

 private:
  std::string prefix_;
};

class ReplaceNormalizer final : public Normalizer {
 public:
  explicit ReplaceNormalizer(Replacement replacement) : replacement_(std::move(replacement)) {}
  void apply(std::string& text) const override { replacement_.apply(text); }

 private:
  Replacement replacement_;
};

class StripNormalizer final : public Normalizer {
 public:
  StripNormalizer(bool left, bool right) : left_(left), right_(right) {}
  void apply(std::string& text) const override {
    std::size_t begin = 0;
    std::size_t end = text.size();
    while (left_ && begin < end && is_white_space(utf8_at(text, begin))) {
      begin += utf8_length(text[begin]);
    }
    while (right_ && end > begin) {
      const std::size_t last = utf8_previous(text, end);
      if (!is_white_space(utf8_at(text, last))) break;
      end = last;
    }
    text.erase(end);
    text.erase(0, begin);
  }

 private:
  bool left_;
  bool right_;
};

class ByteLevelNormalizer final : public Normalizer {
 public:
  void apply(std::string& text) const override {
    std::string out;
    out.reserve(text.size() + text.size() / 4);
    append_byte_level(out, text);
    text = std::move(out);
  }
};

class NormalizerSequence final : public Normalizer {
 public:
  explicit NormalizerSequence(std::vector<std::unique_ptr<Normalizer>> steps)
      : steps_(std::move(steps)) {}
  void apply(std::string& text) const override {
    const std::size_t before = text.size();
    for (const auto& step : steps_) {
      step->apply(text);
      check_growth(before, text.size());
    }
  }

 private:
  std::vector<std::unique_ptr<Normalizer>> steps_;
};

}  // namespace

std::string short_text(const JsonPart& part, const char* key) {
  std::string text = part.text(key);
  if (text.size() > kMaxContentBytes) {
    part.fail(key, "has " + std::to_string(text.size()) + " bytes, the limit is " +
                       std::to_string(kMaxContentBytes));
  }
  return text;
}

void check_growth(std::size_t before, std::size_t after) {
  constexpr std::size_t kAlwaysFine = std::size_t{1} << 26;
  constexpr std::size_t kMaxFactor = 8;
  if (after <= kAlwaysFine || after / kMaxFactor <= before) return;
  throw RunError("the tokenizer's rules make " + std::to_string(after) + " bytes of a text of " +
                 std::to_string(before) + " bytes");
}

struct Replacement::Pattern {
  std::string literal;
  std::optional<Regex> regex;
};

Replacement::Replacement(std::string from, std::string to)
    : pattern_(std::make_unique<Pattern>()), to_(std::move(to)) {
  pattern_->literal = std::move(from);
}

Replacement::Replacement(const JsonPart& part)
    : pattern_(std::make_unique<Pattern>()), to_(short_text(part, "content")) {
  const JsonPart pattern = part.child("pattern");
  if (pattern.has("Regex")) {
    pattern_->regex.emplace(pattern.text("Regex"), part.file());
  } else {
    pattern_->literal = pattern.text("String");
  }
}

Replacement::~Replacement() = default;
Replacement::Replacement(Replacement&&) noexcept = default;
Replacement& Replacement::operator=(Replacement&&) noexcept = default;

void Replacement::apply(std::string& text) const {
  if (!pattern_->regex) {
    const std::size_t count = pattern_->literal.empty() ? 0 : count_of(text, pattern_->literal);
    if (count == 0) return;
    check_growth(text.size(), text.size() + count * to_.size());
    text = replace_all(text, pattern_->literal, to_);
    return;
  }
  std::string out;
  std::size_t copied = 0;
  bool changed = false;
  pattern_->regex->for_each_match(text, [&](MatchRange match) {
    out.append(text, copied, match.begin - copied);
    out += to_;
    check_growth(text.size(), out.size());
    copied = match.end;
    changed = true;
  });
  if (!changed) return;
  out.append(text, copied, text.npos);
  text = std::move(out);
}

std::unique_ptr<Normalizer> make_unicode_normalizer(UnicodeForm form) {
  return std::make_unique<UnicodeNormalizer>(form);
}

std::unique_ptr<Normalizer> make_byte_level_normalizer() {
  return std::make_unique<ByteLevelNormalizer>();
}

std::unique_ptr<Normalizer> make_prepend_normalizer(std::string prefix) {
  return std::make_unique<PrependNormalizer>(std::move(prefix));
}

std::unique_ptr<Normalizer> make_replace_normalizer(Replacement replacement) {
  return std::make_unique<ReplaceNormalizer>(std::move(replacement));
}

std::unique_ptr<Normalizer> make_strip_normalizer(bool left, bool right) {
  return std::make_unique<StripNormalizer>(left, right);
}

std::unique_ptr<Normalizer> make_lowercase_normalizer() {
  return std::make_unique<LowercaseNormalizer>();
}

std::unique_ptr<Normalizer> make_normalizer_sequence(
    std::vector<std::unique_ptr<Normalizer>> steps) {
  return std::make_unique<NormalizerSequence>(std::move(steps));
}

}  // namespace svtune

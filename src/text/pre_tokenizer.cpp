#include "text/pre_tokenizer.h"

#include <optional>
#include <string>
#include <utility>

#include "base/text_util.h"
#include "text/byte_level.h"
#include "text/regex.h"
#include "text/split_pieces.h"
#include "text/unicode_class.h"
#include "text/utf8.h"

namespace svtune {
namespace {

using Steps = std::vector<std::unique_ptr<PreTokenizer>>;

void split_by_scanner(SplitPattern pattern, Piece piece, PieceSink sink) {
  for (std::size_t at = 0; at < piece.text.size();) {
    const std::size_t end = split_piece_end(pattern, piece.text, at);
    sink({piece.text.substr(at, end - at), piece.at_text_start && at == 0});
    at = end;
  }
}

class ScannerStep final : public PreTokenizer {
 public:
  explicit ScannerStep(SplitPattern pattern) : pattern_(pattern) {}
  void split(Piece piece, PieceSink sink) const override {
    split_by_scanner(pattern_, piece, sink);
  }

 private:
  SplitPattern pattern_;
};

class RegexStep final : public PreTokenizer {
 public:
  RegexStep(Regex regex, SplitBehavior behavior, bool invert)
      : regex_(std::move(regex)), behavior_(behavior), invert_(invert) {}

  void split(Piece piece, PieceSink sink) const override {
    std::vector<Span> spans;
    std::size_t begin = 0;
    regex_.for_each_match(piece.text, [&](MatchRange match) {
      if (begin < match.begin) spans.push_back({begin, match.begin, invert_});
      spans.push_back({match.begin, match.end, !invert_});
      begin = match.end;
    });
    if (begin < piece.text.size()) spans.push_back({begin, piece.text.size(), invert_});
    emit_spans(piece, behavior_, std::move(spans), sink);
  }

 private:
  Regex regex_;
  SplitBehavior behavior_;
  bool invert_;
};

using CharacterTest = bool (*)(std::uint32_t);

class CharacterStep final : public PreTokenizer {
 public:
  CharacterStep(CharacterTest test, SplitBehavior behavior) : test_(test), behavior_(behavior) {}
  void split(Piece piece, PieceSink sink) const override {
    split_by_character(piece, behavior_, test_, sink);
  }

 private:
  CharacterTest test_;
  SplitBehavior behavior_;
};

class DelimiterStep final : public PreTokenizer {
 public:
  explicit DelimiterStep(std::uint32_t delimiter) : delimiter_(delimiter) {}
  void split(Piece piece, PieceSink sink) const override {
    const auto is_delimiter = [&](std::uint32_t c) { return c == delimiter_; };
    split_by_character(piece, SplitBehavior::kRemoved, is_delimiter, sink);
  }

 private:
  std::uint32_t delimiter_;
};

// \w+|[^\w\s]+ : runs of word characters, runs of others, no white space.
class WhitespaceStep final : public PreTokenizer {
 public:
  void split(Piece piece, PieceSink sink) const override {
    const std::string_view text = piece.text;
    for (std::size_t at = 0; at < text.size();) {
      const int kind = kind_at(text, at);
      const std::size_t begin = at;
      while (at < text.size() && kind_at(text, at) == kind) at += utf8_length(text[at]);
      if (kind != kSpace) {
        sink({text.substr(begin, at - begin), piece.at_text_start && begin == 0});
      }
    }
  }

 private:
  static constexpr int kSpace = 0;
  static int kind_at(std::string_view text, std::size_t at) {
    const std::uint32_t c = utf8_at(text, at);
    if (is_word_character(c)) return 1;
    return is_white_space(c) ? kSpace : 2;
  }
};

enum class PrependScheme { kFirst, kAlways, kNever };

class MetaspaceStep final : public PreTokenizer {
 public:
  MetaspaceStep(std::string replacement, PrependScheme scheme, bool split)
      : replacement_(std::move(replacement)), scheme_(scheme), split_(split) {}

  void split(Piece piece, PieceSink sink) const override {
    std::string text;
    const bool wanted = scheme_ == PrependScheme::kAlways ||
                        (scheme_ == PrependScheme::kFirst && piece.at_text_start);
    const bool has_it = piece.text.starts_with(' ') || piece.text.starts_with(replacement_);
    text.reserve(piece.text.size() * 3 / 2 + replacement_.size());
    if (wanted && !has_it) text += replacement_;
    for (const char c : piece.text) {
      if (c == ' ') {
        text += replacement_;
      } else {
        text += c;
      }
    }
    if (!split_) return sink({text, piece.at_text_start});
    emit_words({text, piece.at_text_start}, sink);
  }

 private:
  // A word starts at every replacement character.
  void emit_words(Piece piece, PieceSink sink) const {
    const std::string_view text = piece.text;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find(replacement_, at + 1), text.size());
      sink({text.substr(at, end - at), piece.at_text_start && at == 0});
      at = end;
    }
  }

  std::string replacement_;
  PrependScheme scheme_;
  bool split_;
};

// The parts of ByteLevel that cut: a space in front, and GPT-2's pattern.
class ByteLevelStep final : public PreTokenizer {
 public:
  ByteLevelStep(bool add_prefix_space, bool use_regex)
      : add_prefix_space_(add_prefix_space), use_regex_(use_regex) {}

  void split(Piece piece, PieceSink sink) const override {
    std::string with_space;
    if (add_prefix_space_ && !piece.text.starts_with(' ')) {
      with_space.assign(1, ' ').append(piece.text);
      piece.text = with_space;
    }
    if (!use_regex_) return sink(piece);
    split_by_scanner(SplitPattern::kGpt2, piece, sink);
  }

 private:
  bool add_prefix_space_;
  bool use_regex_;
};

// The part of ByteLevel that rewrites, needed only when other steps follow.
class ByteNotationStep final : public PreTokenizer {
 public:
  void split(Piece piece, PieceSink sink) const override {
    std::string text;
    append_byte_level(text, piece.text);
    sink({text, piece.at_text_start});
  }
};

class PrefixStep final : public PreTokenizer {
 public:
  PrefixStep(std::string prefix, PrefixScope scope) : prefix_(std::move(prefix)), scope_(scope) {}
  void split(Piece piece, PieceSink sink) const override {
    if (scope_ == PrefixScope::kTextStart && !piece.at_text_start) return sink(piece);
    const std::string text = prefix_ + std::string(piece.text);
    sink({text, piece.at_text_start});
  }

 private:
  std::string prefix_;
  PrefixScope scope_;
};

SplitBehavior parse_behavior(const JsonPart& part, std::optional<SplitBehavior> fallback) {
  const auto name = part.optional_text("behavior");
  if (!name && fallback) return *fallback;
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  part.fail("behavior", "is \"" + name.value_or("") +
                            "\", must be Removed, Isolated, MergedWithPrevious, MergedWithNext "
                            "or Contiguous");
}

std::unique_ptr<PreTokenizer> make_split(const JsonPart& part) {
  const SplitBehavior behavior = parse_behavior(part, std::nullopt);
  const bool invert = part.flag("invert", false);
  const JsonPart pattern = part.child("pattern");
  if (!pattern.has("Regex")) {
    return std::make_unique<RegexStep>(Regex::literal(pattern.text("String"), part.file()),
                                       behavior, invert);
  }
  const std::string regex = pattern.text("Regex");
  // The known patterns match every character, so only the matches count in both cases.
  const bool keeps_matches = (behavior == SplitBehavior::kIsolated && !invert) ||
                             (behavior == SplitBehavior::kRemoved && invert);
  const auto known = known_split_pattern(regex);
  if (known && keeps_matches) return std::make_unique<ScannerStep>(*known);
  return std::make_unique<RegexStep>(Regex(regex, part.file()), behavior, invert);
}

std::unique_ptr<PreTokenizer> make_metaspace(const JsonPart& part) {
  const std::string replacement = part.optional_text("replacement").value_or("\xE2\x96\x81");
  if (replacement.empty() || utf8_length(replacement[0]) != replacement.size()) {
    part.fail("replacement", "must be one character");
  }
  PrependScheme scheme =
      part.flag("add_prefix_space", true) ? PrependScheme::kAlways : PrependScheme::kNever;
  if (const auto name = part.optional_text("prepend_scheme")) {
    if (name != "first" && name != "always" && name != "never") {
      part.fail("prepend_scheme", "is \"" + *name + "\", must be first, always or never");
    }
    scheme = name == "first"    ? PrependScheme::kFirst
             : name == "always" ? PrependScheme::kAlways
                                : PrependScheme::kNever;
  }
  return std::make_unique<MetaspaceStep>(replacement, scheme, part.flag("split", true));
}

void append_byte_level_steps(Steps& steps, bool add_prefix_space, bool use_regex) {
  if (add_prefix_space || use_regex) {
    steps.push_back(std::make_unique<ByteLevelStep>(add_prefix_space, use_regex));
  }
}

void append_steps(const JsonPart& part, PreTokenizerChain& chain) {
  const std::string type = part.type();
  if (type == "Sequence") {
    for (const JsonPart& step : part.children("pretokenizers")) append_steps(step, chain);
    return;
  }
  Steps& steps = chain.steps;
  if (chain.byte_level) steps.push_back(std::make_unique<ByteNotationStep>());
  chain.byte_level = type == "ByteLevel";
  if (type == "ByteLevel") {
    append_byte_level_steps(steps, part.flag("add_prefix_space", true),
                            part.flag("use_regex", true));
  } else if (type == "Split") {
    steps.push_back(make_split(part));
  } else if (type == "Metaspace") {
    steps.push_back(make_metaspace(part));
  } else if (type == "Digits") {
    const bool individual = part.flag("individual_digits", false);
    steps.push_back(std::make_unique<CharacterStep>(
        is_numeric, individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous));
  } else if (type == "Whitespace") {
    steps.push_back(std::make_unique<WhitespaceStep>());
  } else if (type == "WhitespaceSplit") {
    steps.push_back(std::make_unique<CharacterStep>(is_white_space, SplitBehavior::kRemoved));
  } else if (type == "Punctuation") {
    steps.push_back(std::make_unique<CharacterStep>(
        is_punctuation, parse_behavior(part, SplitBehavior::kIsolated)));
  } else if (type == "BertPreTokenizer") {
    steps.push_back(std::make_unique<CharacterStep>(is_white_space, SplitBehavior::kRemoved));
    steps.push_back(std::make_unique<CharacterStep>(is_punctuation, SplitBehavior::kIsolated));
  } else if (type == "CharDelimiterSplit") {
    const std::string delimiter = part.text("delimiter");
    if (delimiter.empty()) part.fail("delimiter", "must be one character");
    steps.push_back(std::make_unique<DelimiterStep>(utf8_at(delimiter, 0)));
  } else {
    part.fail_type(
        "BertPreTokenizer, ByteLevel, CharDelimiterSplit, Digits, Metaspace, Punctuation, "
        "Sequence, Split, Whitespace, WhitespaceSplit");
  }
}

}  // namespace

void PreTokenizerChain::run(std::size_t step, Piece piece, PieceSink sink) const {
  if (step == steps.size()) return sink(piece);
  if (step + 1 == steps.size()) return steps[step]->split(piece, sink);
  const auto next = [&](Piece part) { run(step + 1, part, sink); };
  steps[step]->split(piece, next);
}

PreTokenizerChain make_pre_tokenizer(const JsonPart& part) {
  PreTokenizerChain chain;
  append_steps(part, chain);
  return chain;
}

PreTokenizerChain make_prefix_chain(std::string prefix, PrefixScope scope) {
  PreTokenizerChain chain;
  chain.steps.push_back(std::make_unique<PrefixStep>(std::move(prefix), scope));
  return chain;
}

PreTokenizerChain make_metaspace_chain() {
  PreTokenizerChain chain;
  chain.steps.push_back(
      std::make_unique<MetaspaceStep>("\xE2\x96\x81", PrependScheme::kFirst, false));
  return chain;
}

PreTokenizerChain make_byte_level_chain(SplitPattern pattern, bool add_prefix_space) {
  PreTokenizerChain chain;
  append_byte_level_steps(chain.steps, add_prefix_space, false);
  chain.steps.push_back(std::make_unique<ScannerStep>(pattern));
  chain.byte_level = true;
  return chain;
}

}  // namespace svtune

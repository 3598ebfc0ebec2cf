#include "text/pre_tokenizer_steps.h"

#include <algorithm>
#include <utility>

#include "text/byte_level.h"
#include "text/unicode_class.h"
#include "text/utf8.h"

namespace svtune {
namespace {

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

// In one pass, which is faster than two steps by character.
class BertStep final : public PreTokenizer {
 public:
  void split(Piece piece, PieceSink sink) const override {
    const std::string_view text = piece.text;
    std::size_t begin = 0;
    const auto emit = [&](std::size_t from, std::size_t to) {
      if (from < to) sink({text.substr(from, to - from), piece.at_text_start && from == 0});
    };
    for (std::size_t at = 0; at < text.size();) {
      const std::uint32_t c = utf8_at(text, at);
      const std::size_t end = at + utf8_length(text[at]);
      const bool space = is_white_space(c);
      if (space || is_punctuation(c)) {
        emit(begin, at);
        if (!space) emit(at, end);
        begin = end;
      }
      at = end;
    }
    emit(begin, text.size());
  }
};

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

}  // namespace

Step make_scanner_step(SplitPattern pattern) { return std::make_unique<ScannerStep>(pattern); }

Step make_regex_step(Regex regex, SplitBehavior behavior, bool invert) {
  return std::make_unique<RegexStep>(std::move(regex), behavior, invert);
}

Step make_character_step(CharacterTest test, SplitBehavior behavior) {
  return std::make_unique<CharacterStep>(test, behavior);
}

Step make_delimiter_step(std::uint32_t delimiter) {
  return std::make_unique<DelimiterStep>(delimiter);
}

Step make_whitespace_step() { return std::make_unique<WhitespaceStep>(); }

Step make_bert_step() { return std::make_unique<BertStep>(); }

Step make_metaspace_step(std::string replacement, PrependScheme scheme, bool split) {
  return std::make_unique<MetaspaceStep>(std::move(replacement), scheme, split);
}

Step make_byte_level_step(bool add_prefix_space, bool use_regex) {
  return std::make_unique<ByteLevelStep>(add_prefix_space, use_regex);
}

Step make_byte_notation_step() { return std::make_unique<ByteNotationStep>(); }

Step make_prefix_step(std::string prefix, PrefixScope scope) {
  return std::make_unique<PrefixStep>(std::move(prefix), scope);
}

}  // namespace svtune

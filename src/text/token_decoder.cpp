#include "text/token_decoder.h"

#include <string_view>
#include <utility>

#include "base/text_util.h"
#include "text/byte_level.h"
#include "text/normalizer.h"
#include "text/utf8.h"

namespace svtune {
namespace {

using Tokens = std::vector<std::string>;

std::size_t total_bytes(const Tokens& tokens) {
  std::size_t bytes = 0;
  for (const std::string& token : tokens) bytes += token.size();
  return bytes;
}

void join_all(Tokens& tokens) {
  std::string all;
  for (const std::string& token : tokens) all += token;
  tokens.clear();
  tokens.push_back(std::move(all));
}

class ByteLevelDecoder final : public Decoder {
 public:
  void apply(Tokens& tokens) const override {
    std::string bytes;
    for (const std::string& token : tokens) append_byte_level_decoded(bytes, token);
    tokens.assign(1, replace_invalid_utf8(bytes));
  }
};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// Value of <0xXX>, or -1.
int byte_of_token(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return -1;
  const int high = hex_digit(token[3]);
  const int low = hex_digit(token[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

// A run of byte tokens that is not UTF-8 as a whole becomes one U+FFFD per byte.
class ByteFallbackDecoder final : public Decoder {
 public:
  void apply(Tokens& tokens) const override {
    Tokens out;
    std::string bytes;
    const auto flush = [&] {
      if (is_valid_utf8(bytes)) {
        if (!bytes.empty()) out.push_back(bytes);
      } else {
        for (std::size_t i = 0; i < bytes.size(); ++i) out.emplace_back("\xEF\xBF\xBD");
      }
      bytes.clear();
    };
    for (std::string& token : tokens) {
      const int byte = byte_of_token(token);
      if (byte >= 0) {
        bytes.push_back(static_cast<char>(byte));
      } else {
        flush();
        out.push_back(std::move(token));
      }
    }
    flush();
    tokens = std::move(out);
  }
};

class FuseDecoder final : public Decoder {
 public:
  void apply(Tokens& tokens) const override { join_all(tokens); }
};

// Removes up to `start` leading and `stop` trailing copies of one character from each token.
class StripDecoder final : public Decoder {
 public:
  StripDecoder(std::string content, std::int64_t start, std::int64_t stop)
      : content_(std::move(content)), start_(start), stop_(stop) {}
  void apply(Tokens& tokens) const override {
    for (std::string& token : tokens) {
      std::string_view kept = token;
      for (std::int64_t i = 0; i < start_ && kept.starts_with(content_); ++i) {
        kept.remove_prefix(content_.size());
      }
      for (std::int64_t i = 0; i < stop_ && kept.ends_with(content_); ++i) {
        kept.remove_suffix(content_.size());
      }
      token = std::string(kept);
    }
  }

 private:
  std::string content_;
  std::int64_t start_;
  std::int64_t stop_;
};

class ReplaceDecoder final : public Decoder {
 public:
  explicit ReplaceDecoder(Replacement replacement) : replacement_(std::move(replacement)) {}
  void apply(Tokens& tokens) const override {
    for (std::string& token : tokens) replacement_.apply(token);
  }

 private:
  Replacement replacement_;
};

// The replacement character to a space; the first token loses it when one was put in front.
class MetaspaceDecoder final : public Decoder {
 public:
  MetaspaceDecoder(const std::string& replacement, bool prepended)
      : to_space_(replacement, " "), to_nothing_(replacement, ""), prepended_(prepended) {}
  void apply(Tokens& tokens) const override {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      (i == 0 && prepended_ ? to_nothing_ : to_space_).apply(tokens[i]);
    }
  }

 private:
  Replacement to_space_;
  Replacement to_nothing_;
  bool prepended_;
};

// WordPiece: tokens that go on a word lose their prefix, a space goes in front of the others.
// `cleanup` takes the spaces of English text from punctuation and contractions.
class WordPieceDecoder final : public Decoder {
 public:
  WordPieceDecoder(std::string prefix, bool cleanup)
      : prefix_(std::move(prefix)), cleanup_(cleanup) {}
  void apply(Tokens& tokens) const override {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      std::string& token = tokens[i];
      if (i > 0 && token.starts_with(prefix_)) {
        token.erase(0, prefix_.size());
      } else if (i > 0) {
        token.insert(0, 1, ' ');
      }
      if (cleanup_) clean_up(token);
    }
  }

 private:
  static void clean_up(std::string& token) {
    constexpr std::pair<const char*, const char*> kRules[] = {
        {" .", "."},   {" ?", "?"},     {" !", "!"},     {" ,", ","},
        {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},   {" do not", " don't"},
        {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
    };
    for (const auto& [from, to] : kRules) {
      if (token.find(from) != std::string::npos) token = replace_all(token, from, to);
    }
  }

  std::string prefix_;
  bool cleanup_;
};

class DecoderSequence final : public Decoder {
 public:
  explicit DecoderSequence(std::vector<std::unique_ptr<Decoder>> steps)
      : steps_(std::move(steps)) {}
  void apply(Tokens& tokens) const override {
    const std::size_t before = total_bytes(tokens);
    for (const auto& step : steps_) {
      step->apply(tokens);
      check_growth(before, total_bytes(tokens));
    }
  }

 private:
  std::vector<std::unique_ptr<Decoder>> steps_;
};

std::string one_character(const JsonPart& part, const char* key, const char* fallback) {
  const std::string text = part.optional_text(key).value_or(fallback);
  if (text.empty() || utf8_length(text[0]) != text.size()) {
    part.fail(key, "must be one character");
  }
  return text;
}

std::unique_ptr<Decoder> make_metaspace(const JsonPart& part) {
  const bool prepended = part.has("prepend_scheme") ? part.text("prepend_scheme") != "never"
                                                    : part.flag("add_prefix_space", true);
  return std::make_unique<MetaspaceDecoder>(one_character(part, "replacement", "\xE2\x96\x81"),
                                            prepended);
}

}  // namespace

std::unique_ptr<Decoder> make_byte_level_decoder() { return std::make_unique<ByteLevelDecoder>(); }

std::unique_ptr<Decoder> make_wordpiece_decoder(std::string prefix, bool cleanup) {
  return std::make_unique<WordPieceDecoder>(std::move(prefix), cleanup);
}

std::unique_ptr<Decoder> make_sentencepiece_decoder(bool strip_first) {
  std::vector<std::unique_ptr<Decoder>> steps;
  steps.push_back(std::make_unique<ReplaceDecoder>(Replacement("\xE2\x96\x81", " ")));
  steps.push_back(std::make_unique<ByteFallbackDecoder>());
  steps.push_back(std::make_unique<FuseDecoder>());
  if (strip_first) steps.push_back(std::make_unique<StripDecoder>(" ", 1, 0));
  return std::make_unique<DecoderSequence>(std::move(steps));
}

std::unique_ptr<Decoder> make_decoder(const JsonPart& part) {
  constexpr std::int64_t kMaxCount = 1 << 20;
  const std::string type = part.type();
  if (type == "ByteLevel") return make_byte_level_decoder();
  if (type == "ByteFallback") return std::make_unique<ByteFallbackDecoder>();
  if (type == "Fuse") return std::make_unique<FuseDecoder>();
  if (type == "Replace") return std::make_unique<ReplaceDecoder>(Replacement(part));
  if (type == "Metaspace") return make_metaspace(part);
  if (type == "WordPiece") {
    return make_wordpiece_decoder(part.optional_text("prefix").value_or("##"),
                                  part.flag("cleanup", true));
  }
  if (type == "Strip") {
    return std::make_unique<StripDecoder>(one_character(part, "content", " "),
                                          part.integer("start", 0, kMaxCount),
                                          part.integer("stop", 0, kMaxCount));
  }
  if (type == "Sequence") {
    std::vector<std::unique_ptr<Decoder>> steps;
    for (const JsonPart& step : part.children("decoders")) steps.push_back(make_decoder(step));
    return std::make_unique<DecoderSequence>(std::move(steps));
  }
  part.fail_type("ByteFallback, ByteLevel, Fuse, Metaspace, Replace, Sequence, Strip, WordPiece");
}

}  // namespace svtune

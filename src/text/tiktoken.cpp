#include "text/tiktoken.h"

#include <charconv>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/text_util.h"
#include "text/base64.h"
#include "text/bpe_model.h"
#include "text/byte_level.h"
#include "text/ranked_merges.h"

namespace svtune {
namespace {

constexpr std::int32_t kLlama3Tokens = 128000;
constexpr int kLlama3SpecialTokens = 256;
constexpr std::string_view kBeginOfText = "<|begin_of_text|>";
constexpr std::string_view kEndOfText = "<|end_of_text|>";

struct RankLine {
  std::string token;
  std::int32_t rank;
};

std::optional<RankLine> parse_line(std::string_view line) {
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  auto token = decode_base64(line.substr(0, space));
  std::int32_t rank = -1;
  const char* end = line.data() + line.size();
  const auto [stop, error] = std::from_chars(line.data() + space + 1, end, rank);
  if (!token || token->empty() || error != std::errc() || stop != end) return std::nullopt;
  return RankLine{*std::move(token), rank};
}

// Calls `found` for every line that is not blank.
template <typename Found>
void for_each_line(std::string_view content, Found found) {
  std::size_t number = 0;
  for (std::size_t at = 0; at < content.size();) {
    const std::size_t end = std::min(content.find('\n', at), content.size());
    std::string_view line = content.substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    ++number;
    if (!line.empty()) found(line, number);
    at = end + 1;
  }
}

// Names as in Llama 3.1; the ids follow the 128000 ranks.
std::vector<std::string> llama3_special_tokens() {
  std::vector<std::string> names;
  int reserved = 0;
  const auto reserve = [&](int count) {
    for (int i = 0; i < count; ++i) {
      names.push_back("<|reserved_special_token_" + std::to_string(reserved++) + "|>");
    }
  };
  names = {std::string(kBeginOfText), std::string(kEndOfText)};
  reserve(2);
  names.emplace_back("<|finetune_right_pad_id|>");
  reserve(1);
  for (const char* name :
       {"<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>", "<|python_tag|>"}) {
    names.emplace_back(name);
  }
  reserve(kLlama3SpecialTokens - static_cast<int>(names.size()));
  return names;
}

std::vector<RankLine> read_lines(std::string_view content, const std::string& file) {
  std::vector<RankLine> lines;
  for_each_line(content, [&](std::string_view line, std::size_t number) {
    auto parsed = parse_line(line);
    const auto fail = [&](const std::string& what) {
      throw FileError(file, "line " + std::to_string(number) + " " + what);
    };
    if (!parsed) fail("must be \"base64 rank\"");
    if (parsed->rank < 0 || parsed->rank > kMaxTokenId) {
      fail("has rank " + std::to_string(parsed->rank) + ", must be from 0 to " +
           std::to_string(kMaxTokenId));
    }
    if (parsed->token.size() > kMaxRankedTokenBytes) {
      fail("has a token of " + std::to_string(parsed->token.size()) + " bytes, the limit is " +
           std::to_string(kMaxRankedTokenBytes));
    }
    lines.push_back(*std::move(parsed));
  });
  if (lines.empty()) throw FileError(file, "holds no token ranks");
  return lines;
}

std::unique_ptr<BpeModel> make_model(const std::vector<RankLine>& lines) {
  Vocabulary raw;
  Vocabulary notation;
  raw.reserve(lines.size(), lines.size() * 8);
  notation.reserve(lines.size(), lines.size() * 10);
  std::vector<RankedToken> tokens;
  for (const RankLine& line : lines) {
    raw.add(line.token, line.rank);
    std::string text;
    append_byte_level(text, line.token);
    notation.add(text, line.rank);
    tokens.push_back({line.token, static_cast<std::uint32_t>(line.rank), line.rank});
  }
  BpeOptions options;
  options.byte_level = true;
  options.ignore_merges = true;
  MergeTable merges = make_ranked_merges(tokens, raw, {});
  return std::make_unique<BpeModel>(std::move(notation), std::move(merges), std::move(options));
}

}  // namespace

bool looks_like_tiktoken(std::string_view content) {
  const std::string_view line = content.substr(0, std::min(content.find('\n'), content.size()));
  return parse_line(line.ends_with('\r') ? line.substr(0, line.size() - 1) : line).has_value();
}

TokenizerParts read_tiktoken(std::string_view content, const std::string& file,
                             const TokenizerConfig& config) {
  TokenizerParts parts;
  parts.model = make_model(read_lines(content, file));
  parts.pre_tokenizer = make_byte_level_chain(SplitPattern::kThreeDigits);
  parts.decoder = make_byte_level_decoder();
  const Vocabulary& vocabulary = parts.model->vocabulary();
  if (vocabulary.end_id() == kLlama3Tokens && config.added_tokens.empty()) {
    for (std::string& name : llama3_special_tokens()) {
      AddedToken token;
      token.content = std::move(name);
      token.special = true;
      parts.added.add(std::move(token), vocabulary);
    }
    parts.roles.bos = parts.added.find(kBeginOfText).value_or(-1);
    parts.roles.eos = parts.added.find(kEndOfText).value_or(-1);
    if (config.add_bos_token.value_or(true)) parts.frame.prefix.push_back(parts.roles.bos);
  }
  return parts;
}

}  // namespace svtune

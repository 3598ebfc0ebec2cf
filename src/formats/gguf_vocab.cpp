// Reading and completing the vocabulary; see gguf_vocab.h.
#include "formats/gguf_vocab.h"

#include <algorithm>
#include <string_view>
#include <tuple>
#include <unordered_map>

#include "base/errors.h"
#include "base/text_util.h"

namespace svtune {
namespace {

constexpr std::size_t kMaxTokenBytes = 1024;
constexpr std::string_view kMarkOfSpace = "\xE2\x96\x81";  // U+2581

class Reader {
 public:
  explicit Reader(const GgufFile& file) : file_(file) {}

  GgufVocab read() {
    vocab_.model = file_.require_string(key("model"));
    if (vocab_.model != "gpt2" && vocab_.model != "llama") {
      fail("model", "\"" + vocab_.model + "\" is not supported, need \"gpt2\" or \"llama\"");
    }
    vocab_.pre = file_.string(key("pre")).value_or("");
    vocab_.architecture = file_.require_string("general.architecture");
    read_tokens();
    read_types();
    read_ids();
    if (vocab_.model == "llama") read_scores();
    if (vocab_.is_gemma()) respell_spaces();
    read_merges();
    return std::move(vocab_);
  }

 private:
  static std::string key(std::string_view name) { return "tokenizer.ggml." + std::string(name); }
  [[noreturn]] void fail(std::string_view name, const std::string& what) const {
    throw FileError(file_.path().string(), "key \"" + key(name) + "\": " + what);
  }

  void read_tokens() {
    const GgufArray* tokens = file_.array(key("tokens"), true);
    if (tokens == nullptr || tokens->size == 0) fail("tokens", "the vocabulary is missing");
    for (std::size_t i = 0; i < tokens->strings.size(); ++i) {
      const std::string_view token = tokens->strings[i];
      if (token.size() > kMaxTokenBytes) {
        fail("tokens", "token " + std::to_string(i) + " has " + std::to_string(token.size()) +
                           " bytes, more than " + std::to_string(kMaxTokenBytes));
      }
      vocab_.tokens.push_back(replace_invalid_utf8(token));
    }
  }

  const GgufArray* numbers(std::string_view name) const {
    const GgufArray* array = file_.array(key(name), false);
    if (array != nullptr && array->size != vocab_.tokens.size()) {
      fail(name, "has " + std::to_string(array->size) + " entries for " +
                     std::to_string(vocab_.tokens.size()) + " tokens");
    }
    return array;
  }

  void read_types() {
    const GgufArray* types = numbers("token_type");
    vocab_.types.assign(vocab_.tokens.size(), GgufTokenType::kNormal);
    for (std::size_t i = 0; types != nullptr && i < vocab_.types.size(); ++i) {
      const double type = types->number(i);
      if (!(type >= 0 && type <= 6)) fail("token_type", "unknown type at " + std::to_string(i));
      if (type > 0) vocab_.types[i] = static_cast<GgufTokenType>(static_cast<int>(type));
    }
  }

  void read_scores() {
    const GgufArray* scores = numbers("scores");
    if (scores == nullptr && file_.array(key("merges"), true) == nullptr) {
      fail("scores", "is missing, and there are no merges either");
    }
    for (std::size_t i = 0; scores != nullptr && i < vocab_.tokens.size(); ++i) {
      const auto score = static_cast<float>(scores->number(i));
      if (score != score) fail("scores", "not a number at " + std::to_string(i));
      vocab_.scores.push_back(score);
    }
  }

  std::optional<std::int64_t> token_id(std::string_view name) const {
    const auto id = file_.integer(key(name));
    if (id && (*id < 0 || *id >= static_cast<std::int64_t>(vocab_.tokens.size()))) {
      fail(name, std::to_string(*id) + " is outside the vocabulary of " +
                     std::to_string(vocab_.tokens.size()) + " tokens");
    }
    return id;
  }

  void read_ids() {
    vocab_.bos = token_id("bos_token_id");
    vocab_.eos = token_id("eos_token_id");
    vocab_.unknown = token_id("unknown_token_id");
    vocab_.padding = token_id("padding_token_id");
    const bool llama3 =
        vocab_.pre == "llama-bpe" || vocab_.pre == "llama3" || vocab_.pre == "llama-v3";
    vocab_.add_bos =
        file_.boolean(key("add_bos_token")).value_or(vocab_.model == "llama" || llama3);
    vocab_.add_eos = file_.boolean(key("add_eos_token")).value_or(false);
    vocab_.add_space_prefix = file_.boolean(key("add_space_prefix")).value_or(true);
  }

  // Gemma files spell tokens of spaces with real spaces; the model knows them as marks.
  void respell_spaces() {
    for (std::string& token : vocab_.tokens) {
      if (token.size() > 1 && token.find_first_not_of(' ') == std::string::npos) {
        token = replace_all(token, " ", kMarkOfSpace);
      }
    }
  }

  void read_merges() {
    const GgufArray* merges = file_.array(key("merges"), true);
    if (merges == nullptr) {
      if (vocab_.model == "gpt2") fail("merges", "is missing");
      vocab_.merges = detail::merges_from_scores(vocab_);
      return;
    }
    for (const std::string_view merge : merges->strings) {
      // A part may itself start with a space only in vocabularies that are not byte-level.
      const std::size_t space = merge.find(' ', 1);
      if (merge.empty() || space == std::string_view::npos || space + 1 == merge.size()) {
        fail("merges", "entry " + std::to_string(vocab_.merges.size()) + " is not two tokens");
      }
      vocab_.merges.emplace_back(replace_invalid_utf8(merge.substr(0, space)),
                                 replace_invalid_utf8(merge.substr(space + 1)));
    }
  }

  const GgufFile& file_;
  GgufVocab vocab_;
};

// One way to join two pieces into a third. Lengths in code points, the rest are ids.
struct Candidate {
  std::size_t piece, left, right;
  double score;
  std::size_t left_length, right_length;

  bool operator<(const Candidate& other) const {
    if (score != other.score) return score > other.score;
    if (left_length != other.left_length) return left_length > other.left_length;
    if (right_length != other.right_length) return right_length > other.right_length;
    return std::tie(piece, left, right) < std::tie(other.piece, other.left, other.right);
  }
};

using Ids = std::unordered_map<std::string_view, std::size_t>;

void add_splits(const Ids& ids, std::size_t id, std::string_view piece, double score,
                std::vector<Candidate>& out) {
  const auto length = static_cast<std::size_t>(
      std::count_if(piece.begin(), piece.end(), [](char c) { return (c & '\xC0') != '\x80'; }));
  std::size_t left_length = 0;
  for (std::size_t cut = 0; decode_utf8(piece, cut), cut < piece.size();) {
    ++left_length;
    const auto left = ids.find(piece.substr(0, cut));
    const auto right = ids.find(piece.substr(cut));
    if (left == ids.end() || right == ids.end()) continue;
    out.push_back({id, left->second, right->second, score, left_length, length - left_length});
  }
}

}  // namespace

namespace detail {

std::vector<std::pair<std::string, std::string>> merges_from_scores(const GgufVocab& vocab) {
  Ids ids;
  for (std::size_t i = 0; i < vocab.tokens.size(); ++i) ids.emplace(vocab.tokens[i], i);
  std::vector<Candidate> all;
  for (std::size_t i = 0; i < vocab.tokens.size(); ++i) {
    if (ids[vocab.tokens[i]] != i) continue;
    const double score = vocab.is_gemma() ? -static_cast<double>(i) : double{vocab.scores[i]};
    add_splits(ids, i, vocab.tokens[i], score, all);
  }
  std::sort(all.begin(), all.end());
  std::vector<std::pair<std::string, std::string>> merges;
  merges.reserve(all.size());
  for (const Candidate& merge : all) {
    merges.emplace_back(vocab.tokens[merge.left], vocab.tokens[merge.right]);
  }
  return merges;
}

}  // namespace detail

GgufVocab read_gguf_vocab(const GgufFile& file) { return Reader(file).read(); }

}  // namespace svtune

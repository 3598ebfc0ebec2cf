// Added tokens: strings with an id of their own that are found in the raw or the normalised
// text before anything else happens to it. All matches are leftmost-longest.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/function_ref.h"
#include "text/normalizer.h"
#include "text/vocabulary.h"

namespace svtune {

struct AddedToken {
  std::string content;
  bool single_word = false;  // only between word borders
  bool lstrip = false;       // takes the white space to its left along
  bool rstrip = false;       // and to its right
  bool normalized = false;   // found in normalised text, else in raw text
  bool special = false;      // skipped in decoding on request
};

// Finds any of a set of strings: longest match at a position.
class TokenTrie {
 public:
  void add(std::string_view text, std::int32_t value);
  struct Match {
    std::int32_t value = -1;
    std::size_t length = 0;
  };
  // Match that starts at `at`; length 0 when there is none.
  Match longest_at(std::string_view text, std::size_t at) const;
  // First position from `at` on where some string may start, or text.size().
  std::size_t next_candidate(std::string_view text, std::size_t at) const;
  bool empty() const { return nodes_.size() == 1; }

 private:
  struct Node {
    std::uint8_t byte = 0;
    std::int32_t first_child = -1;
    std::int32_t next_sibling = -1;
    std::int32_t value = -1;
  };
  std::int32_t child(std::int32_t node, std::uint8_t byte) const;

  std::vector<Node> nodes_{1};
  std::vector<bool> starts_ = std::vector<bool>(256);
};

// A stretch of text, or a token.
struct TextSection {
  std::string_view text;
  std::size_t begin;  // offset of `text` in what was split
  std::int32_t id;    // -1: text to encode
};

class AddedTokens {
 public:
  // Gives a token the id that `model` has for its content, else the next free one; a token
  // added again keeps its id and takes the new flags. Empty content is ignored.
  void add(AddedToken token, const Vocabulary& model);
  // Must be called once after the last add; normalized tokens are searched in the form that
  // `normalizer` (may be null) gives them.
  void finish(const Normalizer* normalizer);

  std::optional<std::int32_t> find(std::string_view content) const;
  const AddedToken* find(std::int32_t id) const;  // nullptr when `id` is not an added token
  // What decoding shows for a token, after finish(): its content, normalised if it is found in
  // normalised text. Requires: find(id) is not null.
  const std::string& shown(std::int32_t id) const { return entries_[entry_of_id_[id]].shown; }
  std::int32_t end_id() const { return end_id_; }  // highest id + 1, 0 when there is none

  using SectionSink = FunctionRef<void(TextSection)>;
  // Splits at tokens that are matched in raw text, or in normalised text.
  void split_raw(std::string_view text, SectionSink sink) const { split(raw_, text, sink); }
  void split_normalized(std::string_view text, SectionSink sink) const {
    split(normalized_, text, sink);
  }

 private:
  struct Entry {
    AddedToken token;
    std::int32_t id;
    std::string shown;
  };
  void split(const TokenTrie& trie, std::string_view text, SectionSink sink) const;

  std::vector<Entry> entries_;
  Vocabulary by_content_;                  // content -> index into entries_
  std::vector<std::int32_t> entry_of_id_;  // -1: none
  TokenTrie raw_;
  TokenTrie normalized_;
  std::int32_t end_id_ = 0;
};

}  // namespace svtune

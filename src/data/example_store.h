// The examples of a data set by number, as tokens.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/errors.h"
#include "base/fields.h"
#include "base/hash.h"
#include "data/document_store.h"
#include "data/encode.h"
#include "data/random_file.h"
#include "data/record_format.h"
#include "data/record_index.h"

namespace svtune {

enum class LongTexts { kCut, kSplit };
inline constexpr EnumName<LongTexts> kLongTextsNames[] = {
    {LongTexts::kCut, "cut", "their end is left out"},
    {LongTexts::kSplit, "split", "plain texts become blocks, all of which are used"},
};
constexpr std::span<const EnumName<LongTexts>> enum_names(LongTexts) { return kLongTextsNames; }

struct DataOptions {
  RecordFormat format = RecordFormat::kAuto;
  ColumnMap columns = {};
  bool skip_bad_lines = false;
  LongTexts long_texts = LongTexts::kCut;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    const FieldCondition texts = only_with("task", "language|perplexity|exact-match|mask");
    visit(self.format, {.name = "format", .help = "Layout of the records", .when = texts});
    visit(self.columns, {.name = "columns",
                         .help = "Columns by part, e.g. prompt=question,completion=answer",
                         .when = texts});
    visit(self.skip_bad_lines,
          {.name = "skip_bad_lines",
           .help = "Leave out and list records that are malformed or that the template or the "
                   "tokenizer refuses"});
    visit(self.long_texts,
          {.name = "long", .help = "What becomes of examples above --max-length", .when = texts});
  }
};

// What became of the examples.
struct EncodeStats {
  std::int64_t records = 0;    // that are used
  std::int64_t examples = 0;   // records, or more where texts are split
  std::int64_t truncated = 0;  // examples
  std::int64_t dropped = 0;    // examples: nothing left to learn from
  std::int64_t bad_lines = 0;  // skipped records
  std::int64_t folded = 0;     // examples whose system message stands in the user turn
  std::int64_t lost = 0;       // messages that the chat template leaves out
  std::int64_t cut = 0;        // learned answers of which the template leaves out a part
  std::int64_t in_vain = 0;    // messages of others than the assistant that ask to be learned
  // Rows with a field in their messages that the chat template does not read, by its name.
  std::map<std::string, std::int64_t> unread_fields = {};
  std::int64_t tokens = 0;      // of the examples kept
  std::int64_t supervised = 0;  // tokens
  std::int64_t longest = 0;     // tokens
};

// All examples are tokenised once at the start, so that a record that the template or the
// tokenizer refuses is known before anything is trained. The tokens of small files are kept; of
// larger ones only offsets and lengths stay in memory, and examples are tokenised again when
// they are needed.
class ExampleStore final : public DocumentStore {
 public:
  // Records done, of how many; not called for small files.
  using Progress = std::function<void(std::int64_t done, std::int64_t total)>;

  // Throws FileError "path:line: ..." for the first bad record (unless skipped), when the file
  // holds no example, or when none has a token to learn from (the message counts why);
  // UsageError when `options` name a column that no record has.
  ExampleStore(const std::filesystem::path& path, const DataOptions& options,
               std::shared_ptr<const ExampleEncoder> encoder, const Progress& progress = {});

  std::int64_t size() const override { return static_cast<std::int64_t>(lengths_.size()); }
  std::int64_t length(std::int64_t index) const override {
    return lengths_[static_cast<std::size_t>(index)];
  }
  void append_to(PackedBatch& batch, std::int64_t index) const override;
  std::int64_t tokens() const override { return stats_.tokens; }
  // nullopt when nothing is left to learn from.
  std::optional<TokenizedExample> get(std::int64_t index) const;
  // The record that an example comes from.
  Example example(std::int64_t index) const;
  Json record(std::int64_t index) const;  // as it is written
  const EncodeStats& stats() const { return stats_; }
  const RecordIndex& records() const { return index_; }
  const RecordReader& reader() const { return reader_; }
  const ExampleEncoder& encoder() const { return *encoder_; }
  std::uint64_t fingerprint() const override { return index_.fingerprint(); }
  // Hash of the tokens of all examples and of which of them are learned: tokenizer and prompts.
  std::uint64_t token_hash() const { return tokens_.digest(); }

 private:
  struct Block {  // of a split text, where its tokens are
    std::uint64_t offset = 0;
    std::uint32_t record = 0;
  };

  void encode_all(const DataOptions& options, const Progress& progress);
  void add(const TokenizedExample& example, std::uint32_t record);
  void count(const TokenizedExample& example);
  TokenizedExample read_block(std::int64_t index) const;
  std::string place_of(std::int64_t record) const;  // "file:line"
  FileError refusal(std::int64_t record, const Error& error) const;
  [[noreturn]] void fail_empty() const;
  [[noreturn]] void fail_all_dropped() const;

  RecordReader reader_;
  RecordIndex index_;
  std::shared_ptr<const ExampleEncoder> encoder_;
  bool keep_ = false, split_ = false;
  std::vector<std::uint32_t> lengths_;
  std::vector<TokenizedExample> kept_;  // all examples, or none
  std::vector<Block> blocks_;           // with split_ only
  RandomFile spool_;                    // tokens of blocks that are not kept
  std::uint64_t spooled_ = 0;           // bytes
  EncodeStats stats_;
  Hasher64 tokens_;
};

// Appends one document to a batch.
void append_document(PackedBatch& batch, const TokenizedExample& example);

}  // namespace svtune

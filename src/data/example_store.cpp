#include "data/example_store.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/errors.h"
#include "base/text_util.h"
#include "data/turns.h"

namespace svtune {
namespace {

constexpr std::uint64_t kKeepBytes = std::uint64_t{24} << 20;  // files up to this size are kept
constexpr std::int64_t kProgressStep = 1024;                   // examples

// Lines come as records of one text.
RecordFormat record_format(const DataOptions& options) {
  return options.format == RecordFormat::kLines ? RecordFormat::kText : options.format;
}

bool is_named_txt(std::filesystem::path name) {
  if (name.extension() == ".gz" || name.extension() == ".zst") name = name.stem();
  return to_lower_ascii(name.extension().string()) == ".txt";
}

LineKind lines_of(const std::filesystem::path& path, const DataOptions& options) {
  if (options.format == RecordFormat::kLines) return LineKind::kTexts;
  const bool by_name = options.format == RecordFormat::kAuto && is_named_txt(path);
  return by_name ? LineKind::kTextsUnlessJson : LineKind::kRecords;
}

// An id, inverted when it is not to be predicted.
std::string packed(const TokenizedExample& example) {
  std::vector<std::int32_t> ids = example.ids;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (!example.supervised[i]) ids[i] = ~ids[i];
  }
  std::string bytes(ids.size() * sizeof(std::int32_t), '\0');
  std::memcpy(bytes.data(), ids.data(), bytes.size());
  return bytes;
}

}  // namespace

void append_document(PackedBatch& batch, const TokenizedExample& example) {
  const auto begin = static_cast<std::int64_t>(batch.tokens.size());
  for (std::size_t i = 0; i < example.ids.size(); ++i) {
    batch.tokens.push_back(example.ids[i]);
    batch.positions.push_back(static_cast<std::int64_t>(i));
    if (i + 1 < example.ids.size() && example.supervised[i + 1]) {
      batch.supervised.push_back(begin + static_cast<std::int64_t>(i));
      batch.targets.push_back(example.ids[i + 1]);
    }
  }
  batch.offsets.push_back(static_cast<std::int32_t>(batch.tokens.size()));
}

ExampleStore::ExampleStore(const std::filesystem::path& path, const DataOptions& options,
                           std::shared_ptr<const ExampleEncoder> encoder, const Progress& progress)
    : reader_(record_format(options), options.columns),
      index_(path, {options.skip_bad_lines,
                    [this](const Json& record) { return reader_.problem(record); },
                    [this](std::string_view text) { return reader_.surely_fits(text); },
                    lines_of(path, options)}),
      encoder_(std::move(encoder)) {
  if (index_.size() == 0) fail_empty();
  reader_.check_mapped_columns();
  keep_ = index_.bytes() <= kKeepBytes;
  split_ = options.long_texts == LongTexts::kSplit && reader_.format() == RecordFormat::kText;
  if (split_ && !keep_) spool_ = RandomFile::temporary();
  encode_all(options, progress);
  if (index_.size() == 0) fail_empty();
  stats_.records = index_.size();
  stats_.examples = size();
  stats_.bad_lines = index_.num_bad();
  if (stats_.examples == stats_.dropped) fail_all_dropped();
}

void ExampleStore::encode_all(const DataOptions& options, const Progress& progress) {
  std::vector<std::int64_t> refused;
  std::vector<std::string> problems;
  for (std::int64_t i = 0; i < index_.size(); ++i) {
    if (progress && !keep_ && i % kProgressStep == 0) progress(i, index_.size());
    const auto record = static_cast<std::uint32_t>(i) - static_cast<std::uint32_t>(refused.size());
    try {
      const Example example = reader_.example(index_.read(i));
      if (!encoder_->options().train_on_prompt) {
        stats_.in_vain += asking_in_vain(example.messages) + asking_in_vain(example.history);
      }
      for (const std::string& field : encoder_->prompt().unread_fields(example)) {
        ++stats_.unread_fields[field];
      }
      if (split_) {
        for (const TokenizedExample& block : encoder_->encode_blocks(example)) add(block, record);
      } else {
        add(encoder_->encode(example), record);
      }
    } catch (const UsageError& error) {
      throw UsageError(place_of(i) + ": " + error.what(), error.hint());
    } catch (const Error& error) {
      if (!options.skip_bad_lines) throw refusal(i, error);
      refused.push_back(i);
      problems.push_back(error.what());
    }
  }
  if (!refused.empty()) index_.remove(refused, problems);
  lengths_.shrink_to_fit();
}

void ExampleStore::add(const TokenizedExample& example, std::uint32_t record) {
  count(example);
  lengths_.push_back(
      example.num_supervised() == 0 ? 0 : static_cast<std::uint32_t>(example.ids.size()));
  if (keep_) kept_.push_back(example);
  const std::string bytes = packed(example);
  tokens_.update(bytes);
  if (!split_) return;
  blocks_.push_back({spooled_, record});
  if (keep_) return;
  spool_.append(bytes);
  spooled_ += bytes.size();
}

void ExampleStore::count(const TokenizedExample& example) {
  if (example.truncated) ++stats_.truncated;
  if (example.folded_system) ++stats_.folded;
  stats_.lost += example.lost_messages;
  stats_.cut += example.cut_answers;
  const std::int64_t supervised = example.num_supervised();
  if (supervised == 0) {
    ++stats_.dropped;
    return;
  }
  const auto length = static_cast<std::int64_t>(example.ids.size());
  stats_.tokens += length;
  stats_.supervised += supervised;
  stats_.longest = std::max(stats_.longest, length);
}

std::string ExampleStore::place_of(std::int64_t record) const {
  return index_.name() + ":" + std::to_string(index_.line(record));
}

FileError ExampleStore::refusal(std::int64_t record, const Error& error) const {
  const bool skips = error.hint().empty();
  return FileError(
      place_of(record), error.what(),
      skips ? "Mend the record, or leave such records out with --skip-bad-lines." : error.hint());
}

void ExampleStore::fail_empty() const {
  if (index_.num_bad() == 0) throw FileError(index_.name(), "the data set is empty");
  throw FileError(index_.name(),
                  "no usable record: all " + std::to_string(index_.num_bad()) +
                      " were skipped as bad, the first in line " + index_.bad().front().place +
                      " (" + index_.bad().front().problem + ")",
                  "Look at that record: is the file of another kind?");
}

void ExampleStore::fail_all_dropped() const {
  const std::string what =
      "none of the " + std::to_string(stats_.examples) + " examples has a token to learn from";
  if (stats_.truncated == 0) {
    throw FileError(index_.name(), what,
                    "Are the answers empty or of weight 0? Check --columns and --template.");
  }
  throw FileError(index_.name(),
                  what + " (" + std::to_string(stats_.truncated) + " were truncated to " +
                      std::to_string(encoder_->options().max_length) +
                      " tokens before their answer)",
                  "Raise --max-length, or check --columns and --template.");
}

Example ExampleStore::example(std::int64_t index) const { return reader_.example(record(index)); }

Json ExampleStore::record(std::int64_t index) const {
  return index_.read(split_ ? blocks_.at(static_cast<std::size_t>(index)).record : index);
}

TokenizedExample ExampleStore::read_block(std::int64_t index) const {
  TokenizedExample block;
  block.ids.resize(static_cast<std::size_t>(length(index)));
  const std::string bytes = spool_.read(blocks_[static_cast<std::size_t>(index)].offset,
                                        block.ids.size() * sizeof(std::int32_t));
  if (bytes.size() != block.ids.size() * sizeof(std::int32_t)) {
    throw FileError(index_.name(), "the temporary file of its tokens has become shorter");
  }
  std::memcpy(block.ids.data(), bytes.data(), bytes.size());
  for (std::int32_t& id : block.ids) {
    block.supervised.push_back(id >= 0);
    if (id < 0) id = ~id;
  }
  return block;
}

void ExampleStore::append_to(PackedBatch& batch, std::int64_t index) const {
  if (const auto example = get(index)) append_document(batch, *example);
}

std::optional<TokenizedExample> ExampleStore::get(std::int64_t index) const {
  if (length(index) == 0) return std::nullopt;
  if (keep_) return kept_.at(static_cast<std::size_t>(index));
  return split_ ? read_block(index) : encoder_->encode(example(index));
}

}  // namespace svtune

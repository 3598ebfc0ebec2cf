#include "data/tagged_store.h"

#include <cstddef>
#include <utility>

#include "base/errors.h"
#include "base/text_util.h"
#include "data/labelled_store.h"
#include "data/tagged_records.h"

namespace svtune {
namespace {

constexpr std::int64_t kTextsAStep = 1024;

// Tokens of a text beside the special ones.
std::size_t room_beside(const SpecialFrame& frame, std::int64_t max_length) {
  const auto special = static_cast<std::int64_t>(frame.prefix.size() + frame.suffix.size());
  if (max_length > special) return static_cast<std::size_t>(max_length - special);
  throw UsageError("a length of " + std::to_string(max_length) +
                       " leaves no room for text beside " + std::to_string(special) +
                       " special tokens",
                   "Raise --max-length.");
}

std::string of_words(std::int64_t count) {
  return format_count(static_cast<std::uint64_t>(count)) + (count == 1 ? " word" : " words");
}

}  // namespace

TaggedStore::TaggedStore(LabelledRecords records, const Tokenizer& tokenizer, LabelSet labels,
                         TaggedStoreOptions options, const Progress& progress)
    : options_(options),
      labels_(std::move(labels)),
      records_(std::move(records)),
      unframed_(unframed_warning(tokenizer)) {
  std::vector<LabelledRecord> used;
  const auto total = static_cast<std::int64_t>(records_.records.size());
  bool learns = false;
  for (std::int64_t i = 0; i < total; ++i) {
    if (progress && i % kTextsAStep == 0) progress(i, total);
    LabelledRecord& record = records_.records[static_cast<std::size_t>(i)];
    const std::vector<std::int32_t> classes = classes_of(record);
    try {
      texts_.push_back(encode(record, classes, tokenizer));
    } catch (const UsageError&) {
      throw;
    } catch (const Error& error) {
      records_.refuse(std::to_string(record.line), error.what(), options_.skip_bad_lines);
      continue;
    }
    tokens_ += static_cast<std::int64_t>(texts_.back().ids.size());
    learns = learns || !texts_.back().words.empty();
    used.push_back(std::move(record));
  }
  records_.records = std::move(used);
  if (texts_.empty()) records_.refuse_empty();
  if (!learns) {
    throw FileError(records_.name, "no text has a word with a class and a token",
                    "Is the tokenizer that of the model? --max-length may cut all of them.");
  }
  fingerprint_ = records_.fingerprint();
}

std::vector<std::int32_t> TaggedStore::classes_of(const LabelledRecord& record) const {
  std::vector<std::int32_t> classes;
  LabelledRecord word;
  word.line = record.line;
  for (const std::string& tag : record.tags) {
    word.label = tag;
    const bool none = tag == kNoTag;
    classes.push_back(none ? -1
                           : static_cast<std::int32_t>(require_class(records_, word, labels_)));
  }
  return classes;
}

TaggedStore::Text TaggedStore::encode(const LabelledRecord& record,
                                      const std::vector<std::int32_t>& classes,
                                      const Tokenizer& tokenizer) {
  const SpecialFrame& frame = tokenizer.frame();
  const std::size_t end = frame.prefix.size() + room_beside(frame, options_.max_length);
  Text out;
  out.ids = frame.prefix;
  bool cut = false;
  for (std::size_t w = 0; w < record.words.size(); ++w) {
    const std::vector<std::int32_t> ids = tokenizer.encode(" " + record.words[w], false);
    const std::size_t place = out.ids.size();
    if (classes[w] >= 0 && ids.empty()) ++empty_words_;
    if (classes[w] >= 0 && !ids.empty() && place >= end) ++cut_words_;
    if (classes[w] >= 0 && !ids.empty() && place < end) {
      out.words.push_back(static_cast<std::uint32_t>(w));
      out.places.push_back(static_cast<std::uint32_t>(place));
      out.classes.push_back(classes[w]);
    }
    out.ids.insert(out.ids.end(), ids.begin(), ids.end());
    cut = cut || out.ids.size() > end;
    if (out.ids.size() > end) out.ids.resize(end);
  }
  out.ids.insert(out.ids.end(), frame.suffix.begin(), frame.suffix.end());
  cut_ += cut ? 1 : 0;
  return out;
}

std::int64_t TaggedStore::length(std::int64_t index) const {
  const Text& one = text(index);
  return one.words.empty() ? 0 : static_cast<std::int64_t>(one.ids.size());
}

void TaggedStore::append_to(PackedBatch& batch, std::int64_t index) const {
  const Text& one = text(index);
  if (one.words.empty()) return;
  const auto begin = static_cast<std::int64_t>(batch.tokens.size());
  for (std::size_t i = 0; i < one.ids.size(); ++i) {
    batch.tokens.push_back(one.ids[i]);
    batch.positions.push_back(static_cast<std::int64_t>(i));
  }
  for (std::size_t i = 0; i < one.places.size(); ++i) {
    batch.supervised.push_back(begin + one.places[i]);
    batch.targets.push_back(one.classes[i]);
  }
  batch.offsets.push_back(static_cast<std::int32_t>(batch.tokens.size()));
}

std::string TaggedStore::summary() const { return tag_summary(records_, labels_); }

std::vector<std::string> TaggedStore::losses() const {
  std::vector<std::string> out;
  if (!unframed_.empty()) out.push_back(unframed_);
  if (cut_ > 0) {
    out.push_back(records_.name + ": " + std::to_string(cut_) + " of " + std::to_string(size()) +
                  " texts were cut to " + std::to_string(options_.max_length) +
                  " tokens, so that the classes of " + of_words(cut_words_) + " are left out");
  }
  if (empty_words_ > 0) {
    out.push_back(records_.name + ": of " + of_words(empty_words_) +
                  " the tokenizer makes no token; the classes are left out");
  }
  if (records_.num_bad > 0) out.push_back(records_.left_out());
  return out;
}

}  // namespace svtune

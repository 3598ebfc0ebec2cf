#include "data/labelled_store.h"

#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "base/text_util.h"

namespace svtune {
namespace {

constexpr std::int64_t kRecordsAStep = 4096;  // records

}  // namespace

std::string unframed_warning(const Tokenizer& tokenizer) {
  const SpecialFrame& frame = tokenizer.frame();
  if (!frame.prefix.empty() || !frame.suffix.empty()) return "";
  return "the tokenizer puts no special tokens around a text, as [CLS] and [SEP]: the model sees "
         "other input than it was trained with. Is its post_processor, or a file, missing?";
}

LabelledStore::LabelledStore(LabelledRecords records, const Tokenizer& tokenizer,
                             LabelledStoreOptions options, const Progress& progress)
    : options_(std::move(options)),
      records_(std::move(records)),
      unframed_(unframed_warning(tokenizer)) {
  std::vector<LabelledRecord> used;
  const auto total = static_cast<std::int64_t>(records_.records.size());
  for (std::int64_t i = 0; i < total; ++i) {
    if (progress && i % kRecordsAStep == 0) progress(i, total);
    LabelledRecord& record = records_.records[place(i)];
    TypedTokens tokens;
    try {
      tokens = tokenizer.encode_typed(record.first, record.second, place(options_.max_length));
    } catch (const UsageError&) {
      throw;
    } catch (const Error& error) {
      records_.refuse(std::to_string(record.line), error.what(), options_.skip_bad_lines);
      continue;
    }
    // Of nothing no model says a label, and a batch would be one document short.
    if (tokens.ids.empty()) {
      records_.refuse(std::to_string(record.line), "the text has no token",
                      options_.skip_bad_lines);
      continue;
    }
    add(record, tokens);
    used.push_back(std::move(record));
  }
  records_.records = std::move(used);
  if (size() == 0) records_.refuse_empty();
  fingerprint_ = records_.fingerprint();
}

void LabelledStore::add(const LabelledRecord& record, const TypedTokens& tokens) {
  if (options_.labels) {
    classes_.push_back(require_class(records_, record, *options_.labels));
  } else {
    numbers_.push_back(svtune::number_of(records_, record));
  }
  const bool typed = std::ranges::any_of(tokens.types, [](std::int32_t type) { return type != 0; });
  if (typed || !types_.empty()) {
    types_.resize(ids_.size());
    types_.insert(types_.end(), tokens.types.begin(), tokens.types.end());
  }
  ids_.insert(ids_.end(), tokens.ids.begin(), tokens.ids.end());
  ends_.push_back(static_cast<std::int64_t>(ids_.size()));
  cut_ += tokens.cut ? 1 : 0;
}

void LabelledStore::append_to(PackedBatch& batch, std::int64_t index) const {
  for (std::int64_t i = begin(index); i < end(index); ++i) {
    batch.positions.push_back(i - begin(index));
    batch.tokens.push_back(ids_[place(i)]);
    if (!types_.empty()) batch.token_types.push_back(types_[place(i)]);
  }
  batch.offsets.push_back(static_cast<std::int32_t>(batch.tokens.size()));
  if (options_.labels) {
    batch.classes.push_back(class_of(index));
  } else {
    batch.numbers.push_back(static_cast<float>(number_of(index)));
  }
}

std::string LabelledStore::summary() const {
  return options_.labels ? class_summary(records_, *options_.labels) : number_summary(records_);
}

std::vector<std::string> LabelledStore::losses() const {
  std::vector<std::string> out;
  if (!unframed_.empty()) out.push_back(unframed_);
  if (cut_ > 0) {
    out.push_back(records_.name + ": " + std::to_string(cut_) + " of " + std::to_string(size()) +
                  " records were cut to " + std::to_string(options_.max_length) + " tokens");
  }
  if (records_.num_bad > 0) out.push_back(records_.left_out());
  return out;
}

}  // namespace svtune

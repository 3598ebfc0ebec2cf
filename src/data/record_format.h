// Which fields of a record are prompt and completion: the common data set layouts, found by
// the first record's keys, and mappings for any other.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/field_info.h"
#include "data/example.h"

namespace svtune {

enum class RecordFormat {
  kAuto,
  kPromptCompletion,
  kAlpaca,
  kQueryResponse,
  kMetaMath,
  kQuestionAnswer,
  kMessages,
  kConversations,
  kText,
};
inline constexpr EnumName<RecordFormat> kRecordFormatNames[] = {
    {RecordFormat::kAuto, "auto", "by the keys of the first record"},
    {RecordFormat::kPromptCompletion, "prompt-completion"},
    {RecordFormat::kAlpaca, "alpaca", "instruction, input, output"},
    {RecordFormat::kQueryResponse, "query-response", "MetaMathQA"},
    {RecordFormat::kMetaMath, "metamath",
     "query and response; what follows the first line of the query is the input"},
    {RecordFormat::kQuestionAnswer, "question-answer", "GSM8K"},
    {RecordFormat::kMessages, "messages", "role and content"},
    {RecordFormat::kConversations, "conversations", "ShareGPT"},
    {RecordFormat::kText, "text"},
};
constexpr std::span<const EnumName<RecordFormat>> enum_names(RecordFormat) {
  return kRecordFormatNames;
}

// Column names by role: prompt, input, completion, messages, text.
using ColumnMap = std::map<std::string, std::string>;

class RecordReader {
 public:
  // `columns` renames the format's columns, e.g. {"prompt": "foo", "completion": "bar"}.
  // Throws UsageError for an unknown role.
  explicit RecordReader(RecordFormat format = RecordFormat::kAuto, ColumnMap columns = {});
  ~RecordReader();

  // "" when the record fits, else what is wrong with it. The first record settles kAuto.
  std::string problem(const Json& record);
  // Whether the text is a JSON object that certainly fits; much faster than parsing and
  // problem(). False also when in doubt: settled formats with plain fields only.
  bool surely_fits(std::string_view text);
  // Requires: problem(record) was "".
  Example example(const Json& record) const;
  RecordFormat format() const { return format_; }

 private:
  struct FastParser;

  std::string settle(const Json& record);
  std::string column(const std::string& role) const;

  RecordFormat format_;
  ColumnMap columns_;
  std::unique_ptr<FastParser> fast_;
};

}  // namespace svtune

// Which column of a record plays which part: found by the first record's keys, or mapped.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/field_info.h"
#include "base/json.h"

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
  kLines,
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
    {RecordFormat::kLines, "lines",
     "no JSON: each line of the file is a text; auto takes it for .txt files that do not begin as "
     "JSON"},
};
constexpr std::span<const EnumName<RecordFormat>> enum_names(RecordFormat) {
  return kRecordFormatNames;
}

// Column names by part: prompt, input, completion, messages, text, system, history, tools.
using ColumnMap = std::map<std::string, std::string>;

// The parts of a format and the columns that play them.
struct RecordColumns {
  RecordFormat format = RecordFormat::kAuto;
  ColumnMap parts;

  // The column of a part; "" when the format has no such part.
  std::string of(const std::string& part) const;
  // The part of a column; "" when the format does not read it.
  std::string part_of(const std::string& column) const;
  bool is_pair() const;  // prompt and completion
};

// Throws UsageError for a part that does not exist, naming the nearest.
void check_parts(const ColumnMap& mapped);

struct SettledColumns {
  RecordColumns columns;
  std::string problem;  // why the keys do not tell; "" when they do
};

// The columns of `format` as a data set with this record spells them. With `answers` false the
// record may lack the answer. Throws UsageError when `mapped` names a part that the format has
// not.
SettledColumns settle_columns(RecordFormat format, const ColumnMap& mapped, const Json& record,
                              bool answers);

// `; did you mean "question"?` for the record's key that is nearest to a missing one, or "".
std::string nearest_column(const std::string& missing, const std::vector<std::string>& present);

}  // namespace svtune

// What is left out of a data set, in words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/example_store.h"
#include "data/prompt_template.h"
#include "data/record_format.h"

namespace svtune {

// Examples cut short, examples without a token to learn from, bad records, which are listed on
// lines of their own, columns that are not used, and what the chat template cannot show. Empty
// when all is used. `field`, where one is given, is a column that someone else reads.
std::vector<std::string> data_losses(const ExampleStore& store, std::string_view field = "");

// The part of it that a chat template does not take of messages; of the statistics, what counts
// that is read, and the number of examples. `name`: the file.
std::vector<std::string> message_losses(const std::string& name, const EncodeStats& stats);

// Options that these data have no use for, a sentence each: --system where they are plain texts,
// --long split where they are not.
std::vector<std::string> vain_options(const ExampleStore& store, const PromptOptions& prompt,
                                      const DataOptions& reading);

// "columns not used: history (120 rows), id (3 rows)", with the reason where the template has no
// place for one; "" when all are used. `field` as above.
std::string unused_columns(const std::vector<ColumnCount>& columns, const PromptTemplate& prompt,
                           std::string_view field);

}  // namespace svtune

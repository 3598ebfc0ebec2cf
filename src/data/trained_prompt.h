// The prompt template that a model was trained with, as it is kept beside its weights: whole, so
// that no other file is needed to write prompts alike.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "data/prompt_template.h"

namespace svtune {

// What the model writes at the end of an answer.
struct TurnEnd {
  std::optional<std::int32_t> id;  // the token
  std::string text;                // where the end is no single token; "" otherwise
};

// Found in an answer that the template writes. Neither id nor text when nothing marks the end.
TurnEnd turn_end(const PromptTemplate& prompt, const Tokenizer& tokenizer);

struct TrainedPrompt {
  PromptStyle style = PromptStyle::kRaw;  // never kAuto
  std::string text;                       // kChat, kFile: source of the template; else ""
  std::optional<std::string> system;      // message of prompts without one; kChat
  TurnEnd end;
};

TrainedPrompt trained_prompt(const PromptTemplate& prompt, const Tokenizer& tokenizer);

// {"template", "text", "system", "end_token_id", "end_text"}; the last four may be absent. The
// reader throws FileError naming the key and `file`.
Json prompt_to_json(const TrainedPrompt& prompt);
TrainedPrompt prompt_from_json(const Json& json, const std::string& file);

// The template that `given` names, or that of training (may be null) where it names none. Adds a
// warning when the two differ. Throws as PromptTemplate does.
PromptTemplate choose_prompt(const PromptOptions& given, const Tokenizer& tokenizer,
                             const TrainedPrompt* trained, std::vector<std::string>& warnings);

}  // namespace svtune

#include "infer/answer_ends.h"

#include <algorithm>

#include "data/trained_prompt.h"
#include "io/load_tokenizer.h"

namespace svtune {

AnswerEnds answer_ends(const std::filesystem::path& model, const Tokenizer& tokenizer,
                       const PromptTemplate& prompt) {
  AnswerEnds ends{end_tokens(model, tokenizer), {}};
  const TurnEnd turn = turn_end(prompt, tokenizer);
  if (turn.id && std::ranges::find(ends.ids, *turn.id) == ends.ids.end()) {
    ends.ids.push_back(*turn.id);
  }
  if (!turn.text.empty()) ends.texts.push_back(turn.text);
  return ends;
}

}  // namespace svtune

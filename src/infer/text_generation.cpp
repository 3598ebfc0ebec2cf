#include "infer/text_generation.h"

#include <algorithm>

#include "text/stream_decoder.h"

namespace svtune {
namespace {

// Collects one answer and holds back text that may be the beginning of a stop string.
class AnswerText {
 public:
  AnswerText(const Tokenizer& tokenizer, const std::vector<std::string>& stops)
      : decoder_(tokenizer), stops_(stops) {}

  // The text that has become certain; `stopped` tells whether a stop string ended it.
  std::string push(std::int32_t id) { return settle(decoder_.push(id), false); }
  std::string finish() { return stopped_ ? std::string() : settle(decoder_.finish(), true); }
  bool stopped() const { return stopped_; }

 private:
  std::string settle(const std::string& piece, bool last) {
    pending_ += piece;
    std::size_t cut = std::string::npos;
    for (const std::string& stop : stops_) cut = std::min(cut, pending_.find(stop));
    if (cut != std::string::npos) {
      stopped_ = true;
      return pending_.substr(0, cut);
    }
    const std::size_t certain = last ? pending_.size() : pending_.size() - held_back();
    std::string text = pending_.substr(0, certain);
    pending_.erase(0, certain);
    return text;
  }

  // Length of the longest end of the pending text that begins a stop string.
  std::size_t held_back() const {
    std::size_t longest = 0;
    for (const std::string& stop : stops_) {
      for (std::size_t n = std::min(stop.size() - 1, pending_.size()); n > longest; --n) {
        if (std::string_view(pending_).ends_with(std::string_view(stop).substr(0, n))) longest = n;
      }
    }
    return longest;
  }

  StreamDecoder decoder_;
  const std::vector<std::string>& stops_;
  std::string pending_;
  bool stopped_ = false;
};

}  // namespace

std::vector<TextAnswer> generate_text(Network& net, const Tokenizer& tokenizer,
                                      const std::vector<std::vector<std::int32_t>>& prompts,
                                      const TextOptions& options, const TextCallback& on_text) {
  std::vector<std::string> stops = options.stop;
  std::erase(stops, std::string());
  GenerateOptions tokens = options.tokens;
  for (const std::string& stop : stops) {
    // The text of an answer, in which stops are looked for, is without special tokens.
    const auto id = tokenizer.token_id(stop);
    if (id && tokenizer.is_special(*id)) tokens.end_tokens.push_back(*id);
  }
  std::vector<AnswerText> texts(prompts.size(), AnswerText(tokenizer, stops));
  std::vector<TextAnswer> answers(prompts.size());
  const auto emit = [&](std::size_t index, const std::string& piece) {
    answers[index].text += piece;
    if (on_text && !piece.empty()) on_text(index, piece);
  };
  const std::vector<Generated> generated =
      generate(net, prompts, tokens, [&](std::size_t index, std::int32_t id) {
        emit(index, texts[index].push(id));
        return !texts[index].stopped();
      });
  for (std::size_t i = 0; i < answers.size(); ++i) {
    emit(i, texts[i].finish());
    answers[i].tokens = static_cast<std::int64_t>(generated[i].ids.size());
    answers[i].reason = generated[i].reason;
  }
  return answers;
}

}  // namespace svtune

#include "data/trained_prompt.h"

#include "base/errors.h"

namespace svtune {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

// What a chat template writes behind the last answer; "" when it refuses the conversation.
std::string behind_answer(const PromptTemplate& prompt) {
  Example example;
  example.prompt = "question";
  example.completion = "svtune";
  try {
    std::string text;
    for (const PromptPart& part : prompt.whole(example).parts) text += part.text;
    const std::size_t found = text.rfind(example.completion);
    return found == std::string::npos ? "" : text.substr(found + example.completion.size());
  } catch (const Error&) {
    return "";
  }
}

std::string first_line(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string::npos) return "";
  const std::string line = text.substr(begin, text.find('\n', begin) - begin);
  return line.substr(0, line.find_last_not_of(kSpace) + 1);
}

// Whether `given` leaves the choice of the template to what the model was trained with.
bool names_none(const PromptOptions& given, const TrainedPrompt& trained) {
  if (given.file || given.chat_template) return false;
  return given.style == PromptStyle::kAuto ||
         (given.style == PromptStyle::kChat && trained.style == PromptStyle::kChat);
}

std::string described(PromptStyle style) { return std::string(enum_name(style)); }

}  // namespace

TurnEnd turn_end(const PromptTemplate& prompt, const Tokenizer& tokenizer) {
  if (prompt.style() != PromptStyle::kChat) return {tokenizer.eos_id(), ""};
  const std::string closing = first_line(behind_answer(prompt));
  const std::vector<std::int32_t> ids = tokenizer.encode(closing, false);
  if (ids.empty()) return {};
  if (ids.size() == 1 || tokenizer.is_special(ids[0])) return {ids[0], ""};
  return {std::nullopt, closing};
}

TrainedPrompt trained_prompt(const PromptTemplate& prompt, const Tokenizer& tokenizer) {
  return {prompt.style(), prompt.text(), prompt.system(), turn_end(prompt, tokenizer)};
}

Json prompt_to_json(const TrainedPrompt& prompt) {
  Json json = {{"template", described(prompt.style)}};
  if (!prompt.text.empty()) json["text"] = prompt.text;
  if (prompt.system) json["system"] = *prompt.system;
  if (prompt.end.id) json["end_token_id"] = *prompt.end.id;
  if (!prompt.end.text.empty()) json["end_text"] = prompt.end.text;
  return json;
}

TrainedPrompt prompt_from_json(const Json& json, const std::string& file) {
  const auto fail = [&](const std::string& what) { throw FileError(file, "\"prompt\": " + what); };
  if (!json.is_object()) fail("an object is expected");
  const auto text_of = [&](const char* key) -> std::optional<std::string> {
    const auto found = json.find(key);
    if (found == json.end()) return std::nullopt;
    if (!found->is_string()) fail(std::string("\"") + key + "\" must be text");
    return found->get<std::string>();
  };
  TrainedPrompt prompt;
  const auto style = enum_from_name<PromptStyle>(text_of("template").value_or(""));
  if (!style || *style == PromptStyle::kAuto)
    fail("\"template\" must be alpaca, chat, raw or file");
  prompt.style = *style;
  prompt.text = text_of("text").value_or("");
  const bool written = prompt.style == PromptStyle::kChat || prompt.style == PromptStyle::kFile;
  if (written && prompt.text.empty()) fail("\"text\" is missing");
  prompt.system = text_of("system");
  prompt.end.text = text_of("end_text").value_or("");
  if (const auto id = json.find("end_token_id"); id != json.end()) {
    if (!id->is_number_integer()) fail("\"end_token_id\" must be a token id");
    prompt.end.id = id->get<std::int32_t>();
  }
  return prompt;
}

PromptTemplate choose_prompt(const PromptOptions& given, const Tokenizer& tokenizer,
                             const TrainedPrompt* trained, std::vector<std::string>& warnings) {
  if (trained == nullptr) return PromptTemplate(given, tokenizer);
  if (names_none(given, *trained)) {
    PromptOptions options = given;
    options.style = trained->style;
    if (!options.system) options.system = trained->system;
    // The model's own template may be one of several; its source alone would lose the others.
    if (trained->text != tokenizer.chat_template()) options.text = trained->text;
    return PromptTemplate(options, tokenizer);
  }
  PromptTemplate prompt(given, tokenizer);
  if (prompt.style() != trained->style) {
    warnings.push_back("the model was trained with --template " + described(trained->style) +
                       ", and " + described(prompt.style()) +
                       " is used: it may behave otherwise than in training");
  } else if (prompt.text() != trained->text) {
    warnings.push_back("the model was trained with another " + described(prompt.style()) +
                       " template than the one used: it may behave otherwise than in training");
  }
  return prompt;
}

}  // namespace svtune

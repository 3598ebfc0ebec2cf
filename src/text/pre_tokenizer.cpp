#include "text/pre_tokenizer.h"

#include <optional>
#include <string>
#include <utility>

#include "text/regex.h"
#include "text/unicode_class.h"
#include "text/utf8.h"

namespace svtune {
namespace {

using Steps = std::vector<Step>;

SplitBehavior parse_behavior(const JsonPart& part, std::optional<SplitBehavior> fallback) {
  const auto name = part.optional_text("behavior");
  if (!name && fallback) return *fallback;
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  part.fail("behavior", "is \"" + name.value_or("") +
                            "\", must be Removed, Isolated, MergedWithPrevious, MergedWithNext "
                            "or Contiguous");
}

Step make_split(const JsonPart& part) {
  const SplitBehavior behavior = parse_behavior(part, std::nullopt);
  const bool invert = part.flag("invert", false);
  const JsonPart pattern = part.child("pattern");
  if (!pattern.has("Regex")) {
    return make_regex_step(Regex::literal(pattern.text("String"), part.file()), behavior, invert);
  }
  const std::string regex = pattern.text("Regex");
  // The known patterns match every character, so only the matches count in both cases.
  const bool keeps_matches = (behavior == SplitBehavior::kIsolated && !invert) ||
                             (behavior == SplitBehavior::kRemoved && invert);
  const auto known = known_split_pattern(regex);
  if (known && keeps_matches) return make_scanner_step(*known);
  return make_regex_step(Regex(regex, part.file()), behavior, invert);
}

Step read_metaspace(const JsonPart& part) {
  const std::string replacement = part.optional_text("replacement").value_or("\xE2\x96\x81");
  if (replacement.empty() || utf8_length(replacement[0]) != replacement.size()) {
    part.fail("replacement", "must be one character");
  }
  PrependScheme scheme =
      part.flag("add_prefix_space", true) ? PrependScheme::kAlways : PrependScheme::kNever;
  if (const auto name = part.optional_text("prepend_scheme")) {
    if (name != "first" && name != "always" && name != "never") {
      part.fail("prepend_scheme", "is \"" + *name + "\", must be first, always or never");
    }
    scheme = name == "first"    ? PrependScheme::kFirst
             : name == "always" ? PrependScheme::kAlways
                                : PrependScheme::kNever;
  }
  return make_metaspace_step(replacement, scheme, part.flag("split", true));
}

void append_byte_level_steps(Steps& steps, bool add_prefix_space, bool use_regex) {
  if (add_prefix_space || use_regex) {
    steps.push_back(make_byte_level_step(add_prefix_space, use_regex));
  }
}

void append_steps(const JsonPart& part, PreTokenizerChain& chain) {
  const std::string type = part.type();
  if (type == "Sequence") {
    for (const JsonPart& step : part.children("pretokenizers")) append_steps(step, chain);
    return;
  }
  Steps& steps = chain.steps;
  if (chain.byte_level) steps.push_back(make_byte_notation_step());
  chain.byte_level = type == "ByteLevel";
  if (type == "ByteLevel") {
    append_byte_level_steps(steps, part.flag("add_prefix_space", true),
                            part.flag("use_regex", true));
  } else if (type == "Split") {
    steps.push_back(make_split(part));
  } else if (type == "Metaspace") {
    steps.push_back(read_metaspace(part));
  } else if (type == "Digits") {
    const bool individual = part.flag("individual_digits", false);
    steps.push_back(make_character_step(
        is_numeric, individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous));
  } else if (type == "Whitespace") {
    steps.push_back(make_whitespace_step());
  } else if (type == "WhitespaceSplit") {
    steps.push_back(make_character_step(is_white_space, SplitBehavior::kRemoved));
  } else if (type == "Punctuation") {
    steps.push_back(
        make_character_step(is_punctuation, parse_behavior(part, SplitBehavior::kIsolated)));
  } else if (type == "BertPreTokenizer") {
    steps.push_back(make_bert_step());
  } else if (type == "CharDelimiterSplit") {
    const std::string delimiter = part.text("delimiter");
    if (delimiter.empty()) part.fail("delimiter", "must be one character");
    steps.push_back(make_delimiter_step(utf8_at(delimiter, 0)));
  } else {
    part.fail_type(
        "BertPreTokenizer, ByteLevel, CharDelimiterSplit, Digits, Metaspace, Punctuation, "
        "Sequence, Split, Whitespace, WhitespaceSplit");
  }
}

}  // namespace

void PreTokenizerChain::write_byte_notation() {
  if (byte_level) steps.push_back(make_byte_notation_step());
  byte_level = false;
}

void PreTokenizerChain::run(std::size_t step, Piece piece, PieceSink sink) const {
  if (step == steps.size()) return sink(piece);
  if (step + 1 == steps.size()) return steps[step]->split(piece, sink);
  const auto next = [&](Piece part) { run(step + 1, part, sink); };
  steps[step]->split(piece, next);
}

PreTokenizerChain make_pre_tokenizer(const JsonPart& part) {
  PreTokenizerChain chain;
  append_steps(part, chain);
  return chain;
}

PreTokenizerChain make_prefix_chain(std::string prefix, PrefixScope scope) {
  PreTokenizerChain chain;
  chain.steps.push_back(make_prefix_step(std::move(prefix), scope));
  return chain;
}

PreTokenizerChain make_metaspace_chain() {
  PreTokenizerChain chain;
  chain.steps.push_back(make_metaspace_step("\xE2\x96\x81", PrependScheme::kFirst, false));
  return chain;
}

PreTokenizerChain make_bert_chain() {
  PreTokenizerChain chain;
  chain.steps.push_back(make_bert_step());
  return chain;
}

PreTokenizerChain make_byte_level_chain(SplitPattern pattern, bool add_prefix_space) {
  PreTokenizerChain chain;
  append_byte_level_steps(chain.steps, add_prefix_space, false);
  chain.steps.push_back(make_scanner_step(pattern));
  chain.byte_level = true;
  return chain;
}

}  // namespace svtune

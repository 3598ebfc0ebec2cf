// Post-processors of tokenizer.json: the tokens put in front of and behind the ids of a text, or
// around two texts (<s>, [CLS], [SEP], ...).
#pragma once

#include <cstdint>
#include <vector>

#include "text/json_part.h"
#include "text/sequence_template.h"

namespace svtune {

// What stands around a single text.
struct SpecialFrame {
  std::vector<std::int32_t> prefix;
  std::vector<std::int32_t> suffix;

  bool operator==(const SpecialFrame&) const = default;
};

// The frame of a form; `single` has the text once.
SpecialFrame frame_of(const SequenceTemplate& single);

// The forms that follow from a frame: a second text has a frame of its own, of type 1.
SequenceTemplates framed_templates(const SpecialFrame& frame);

// [CLS] A [SEP] B [SEP], with the second text and what follows it of type 1.
SequenceTemplates bert_templates(std::int32_t cls, std::int32_t sep);
// <s> A </s></s> B </s>, all of type 0.
SequenceTemplates roberta_templates(std::int32_t cls, std::int32_t sep);

// From the "post_processor" object. Where several processors add tokens there is no form for
// pairs. Throws FileError naming an unknown type, a special token without ids, or a template that
// does not contain each text exactly once.
SequenceTemplates make_post_processor(const JsonPart& part);

}  // namespace svtune

// Chat templates of arbitrary text: they parse and render, or give a FileError, within small
// limits. Rendering twice gives the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <string_view>

#include "base/errors.h"
#include "jinja/interpreter.h"
#include "jinja/parser.h"

namespace {

const svtune::Json& variables() {
  static const svtune::Json json = svtune::Json::parse(R"({
    "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": " h\u00e9 <b> "},
                 {"role": "assistant", "content": "<think>x</think>y",
                  "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1, "b": [2.5]}}}]}],
    "tools": [{"function": {"name": "f", "parameters": {"type": "object"}}}],
    "n": null, "i": -7, "f": 2.5, "t": true, "l": [3, 1, 2], "d": {"b": 1, "a": "x"},
    "add_generation_prompt": true, "bos_token": "<s>", "eos_token": "</s>"})");
  return json;
}

std::string render(const svtune::jinja::TemplateTree& tree) {
  svtune::jinja::Variables values;
  for (const auto& [key, value] : variables().items()) {
    values.emplace_back(key, svtune::jinja::Value::from_json(value));
  }
  svtune::jinja::Limits limits;
  limits.steps = 20'000;
  limits.output_bytes = std::size_t{1} << 20;
  std::tm now{};
  now.tm_year = 124;
  now.tm_mday = 1;
  const auto rendering = svtune::jinja::render(tree, std::move(values), limits, now);
  for (const auto& span : rendering.generation) {
    if (span.begin > span.end || span.end > rendering.text.size()) std::abort();
  }
  return rendering.text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  try {
    const auto tree = svtune::jinja::parse_template(source, "input");
    if (render(tree) != render(tree)) std::abort();
  } catch (const svtune::FileError&) {
  }
  return 0;
}

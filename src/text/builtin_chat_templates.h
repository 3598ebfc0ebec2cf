// Chat templates for models that ship none, one per family, written for this project. Each
// marks the assistant's text with generation blocks.
#pragma once

#include <span>
#include <string_view>

namespace svtune {

struct BuiltinChatTemplate {
  std::string_view name;
  std::string_view source;
};

// chatml, llama2, llama3, mistral, gemma.
std::span<const BuiltinChatTemplate> builtin_chat_templates();

}  // namespace svtune

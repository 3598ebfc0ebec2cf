#include "text/builtin_chat_templates.h"

namespace svtune {
namespace {

// <|im_start|>role\ncontent<|im_end|>\n
constexpr std::string_view kChatMl = R"j({%- for message in messages -%}
  {{- '<|im_start|>' ~ message.role ~ '\n' -}}
  {%- if message.role == 'assistant' -%}
    {%- generation -%}{{- message.content ~ '<|im_end|>\n' -}}{%- endgeneration -%}
  {%- else -%}
    {{- message.content ~ '<|im_end|>\n' -}}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- '<|im_start|>assistant\n' -}}
{%- endif -%}
)j";

// <|start_header_id|>role<|end_header_id|>\n\ncontent<|eot_id|>
constexpr std::string_view kLlama3 = R"j({{- bos_token -}}
{%- for message in messages -%}
  {{- '<|start_header_id|>' ~ message.role ~ '<|end_header_id|>\n\n' -}}
  {%- if message.role == 'assistant' -%}
    {%- generation -%}{{- message.content | trim ~ '<|eot_id|>' -}}{%- endgeneration -%}
  {%- else -%}
    {{- message.content | trim ~ '<|eot_id|>' -}}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' -}}
{%- endif -%}
)j";

// <s>[INST] <<SYS>>\nsystem\n<</SYS>>\n\nuser [/INST] assistant </s>
constexpr std::string_view kLlama2 = R"j({%- set ns = namespace(system='', turn='user') -%}
{%- for message in messages -%}
  {%- if message.role == 'system' and loop.first -%}
    {%- set ns.system = '<<SYS>>\n' ~ message.content ~ '\n<</SYS>>\n\n' -%}
  {%- elif message.role != ns.turn -%}
    {{- raise_exception('the roles must alternate user, assistant, user, ...; only the first message may be system') -}}
  {%- elif message.role == 'user' -%}
    {{- bos_token ~ '[INST] ' ~ (ns.system ~ message.content) | trim ~ ' [/INST]' -}}
    {%- set ns.system = '' -%}
    {%- set ns.turn = 'assistant' -%}
  {%- else -%}
    {%- generation -%}{{- ' ' ~ message.content | trim ~ ' ' ~ eos_token -}}{%- endgeneration -%}
    {%- set ns.turn = 'user' -%}
  {%- endif -%}
{%- endfor -%}
)j";

// <s>[INST] user [/INST] assistant</s>; a system text precedes the first user text
constexpr std::string_view kMistral = R"j({{- bos_token -}}
{%- set ns = namespace(system='', turn='user') -%}
{%- for message in messages -%}
  {%- if message.role == 'system' and loop.first -%}
    {%- set ns.system = message.content ~ '\n\n' -%}
  {%- elif message.role != ns.turn -%}
    {{- raise_exception('the roles must alternate user, assistant, user, ...; only the first message may be system') -}}
  {%- elif message.role == 'user' -%}
    {{- '[INST] ' ~ ns.system ~ message.content ~ ' [/INST]' -}}
    {%- set ns.system = '' -%}
    {%- set ns.turn = 'assistant' -%}
  {%- else -%}
    {%- generation -%}{{- ' ' ~ message.content | trim ~ eos_token -}}{%- endgeneration -%}
    {%- set ns.turn = 'user' -%}
  {%- endif -%}
{%- endfor -%}
)j";

// <start_of_turn>user\ncontent<end_of_turn>\n; the assistant is called model
constexpr std::string_view kGemma = R"j({{- bos_token -}}
{%- set ns = namespace(turn='user') -%}
{%- for message in messages -%}
  {%- if message.role == 'system' -%}
    {{- raise_exception('this family has no system role') -}}
  {%- elif message.role != ns.turn -%}
    {{- raise_exception('the roles must alternate user, assistant, user, ...') -}}
  {%- elif message.role == 'user' -%}
    {{- '<start_of_turn>user\n' ~ message.content | trim ~ '<end_of_turn>\n' -}}
    {%- set ns.turn = 'assistant' -%}
  {%- else -%}
    {{- '<start_of_turn>model\n' -}}
    {%- generation -%}{{- message.content | trim ~ '<end_of_turn>\n' -}}{%- endgeneration -%}
    {%- set ns.turn = 'user' -%}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- '<start_of_turn>model\n' -}}
{%- endif -%}
)j";

constexpr BuiltinChatTemplate kTemplates[] = {{"chatml", kChatMl},
                                              {"llama2", kLlama2},
                                              {"llama3", kLlama3},
                                              {"mistral", kMistral},
                                              {"gemma", kGemma}};

}  // namespace

std::span<const BuiltinChatTemplate> builtin_chat_templates() { return kTemplates; }

}  // namespace svtune

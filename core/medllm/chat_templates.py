"""The chat templates of the families: in Jinja for Hugging Face, in Go's text/template for Ollama.

Written anew to behave as the published ones do, tools left out. Two differences can't
be helped: Go's templates have no function that trims, so outer white space of a turn
stays in Ollama; and Ollama puts BOS before the text itself, so only later ones are written.
"""

from medllm.prompts import ASSISTANT, EXPERT, MINI_TEMPLATE, USER

BOS, EOS = "<s>", "</s>"
"""As the Ollama templates below spell them."""

_TURNS_ALTERNATE = """\
{%- for turn in turns %}
{%- if turn.role != ('user', 'assistant')[loop.index0 % 2] %}
{{- raise_exception('After the system text, user and assistant must take turns.') }}
{%- endif %}
"""
_SYSTEM_APART = """\
{%- if messages[0].role == 'system' %}
{%- set system, turns = messages[0].content, messages[1:] %}
{%- else %}
{%- set system, turns = '', messages %}
{%- endif %}
"""
"""`system` is the system text, `turns` what follows it."""

LLAMA2 = (
    _SYSTEM_APART
    + _TURNS_ALTERNATE
    + """\
{%- if turn.role == 'user' %}
{%- set before = '<<SYS>>\\n' + system + '\\n<</SYS>>\\n\\n' if loop.first and system else '' %}
{%- set content = before + turn.content %}
{{- bos_token + '[INST] ' + content.strip() + ' [/INST]' }}
{%- else %}
{{- ' ' + turn.content.strip() + ' ' + eos_token }}
{%- endif %}
{%- endfor %}"""
)
OLLAMA_LLAMA2 = """\
{{- range $i, $_ := .Messages }}
{{- if eq .Role "user" }}{{ if gt $i 1 }}<s>{{ end }}[INST] {{ if and $.System (le $i 1) }}<<SYS>>
{{ $.System }}
<</SYS>>

{{ end }}{{ .Content }} [/INST]
{{- else if eq .Role "assistant" }} {{ .Content }} </s>
{{- end }}
{{- end }}"""

LLAMA3 = """\
{{- bos_token }}
{%- for turn in messages %}
{{- '<|start_header_id|>' + turn.role + '<|end_header_id|>\\n\\n' }}
{{- turn.content | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}"""
OLLAMA_LLAMA3 = """\
{{- range .Messages }}<|start_header_id|>{{ .Role }}<|end_header_id|>

{{ .Content }}<|eot_id|>
{{- end }}<|start_header_id|>assistant<|end_header_id|>

"""

_LLAMA31_HEADER = """\
<|start_header_id|>system<|end_header_id|>

Cutting Knowledge Date: December 2023
Today Date: 26 Jul 2024

"""
LLAMA31 = (
    _SYSTEM_APART
    + "{{- bos_token + "
    + repr(_LLAMA31_HEADER)
    + " + system | trim + '<|eot_id|>' }}\n"
    + LLAMA3.removeprefix("{{- bos_token }}\n").replace("in messages", "in turns")
)
"""Of Llama 3.1 and 3.3: a date that never changes. Llama 3.2 writes the day's, and isn't known."""
OLLAMA_LLAMA31 = (
    _LLAMA31_HEADER
    + """\
{{ .System }}<|eot_id|>
{{- range .Messages }}{{ if ne .Role "system" }}<|start_header_id|>{{ .Role }}<|end_header_id|>

{{ .Content }}<|eot_id|>
{{- end }}
{{- end }}<|start_header_id|>assistant<|end_header_id|>

"""
)

MISTRAL = (
    "{#- No [AVAILABLE_TOOLS] here; by that word llama.cpp tells this from Llama 2. #}\n"
    + _SYSTEM_APART
    + "{{- bos_token }}\n"
    + _TURNS_ALTERNATE
    + """\
{%- if turn.role == 'user' %}
{{- '[INST] ' + (system + '\\n\\n' if loop.last and system else '') + turn.content + '[/INST]' }}
{%- else %}
{{- ' ' + turn.content | trim + eos_token }}
{%- endif %}
{%- endfor %}"""
)
"""Of version 3 of its tokenizer: the system text stands in the last question."""
OLLAMA_MISTRAL = """\
{{- range $i, $_ := .Messages }}
{{- if eq .Role "user" }}[INST] {{ if and $.System (eq (len (slice $.Messages $i)) 1) }}\
{{ $.System }}

{{ end }}{{ .Content }}[/INST]
{{- else if eq .Role "assistant" }} {{ .Content }}</s>
{{- end }}
{{- end }}"""

MISTRAL1 = (
    "{#- As ' [INST] ' + system_message: by these words llama.cpp knows it. #}\n"
    + _SYSTEM_APART
    + "{{- bos_token }}\n"
    + _TURNS_ALTERNATE
    + """\
{%- if turn.role == 'user' %}
{{- ' [INST] ' + (system + '\\n\\n' if loop.first and system else '') + turn.content }}
{{- ' [/INST]' }}
{%- else %}
{{- ' ' + turn.content + eos_token }}
{%- endif %}
{%- endfor %}"""
)
"""Of version 1 of its tokenizer, as in Mistral-7B-Instruct-v0.1 and v0.2."""
OLLAMA_MISTRAL1 = """\
{{- range $i, $_ := .Messages }}
{{- if eq .Role "user" }} [INST] {{ if and $.System (le $i 1) }}{{ $.System }}

{{ end }}{{ .Content }} [/INST]
{{- else if eq .Role "assistant" }} {{ .Content }}</s>
{{- end }}
{{- end }}"""

ALPACA = (
    _SYSTEM_APART
    + """\
{{- bos_token + (system.strip() + '\\n\\n' if system else '') }}
"""
    + _TURNS_ALTERNATE
    + """\
{%- if turn.role == 'user' %}
{{- '### Instruction:\\n' + turn.content.strip() + '\\n\\n' }}
{%- else %}
{{- '### Response:\\n' + turn.content.strip() + eos_token + '\\n\\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '### Response:\\n' }}
{%- endif %}"""
)
OLLAMA_ALPACA = """\
{{- if .System }}{{ .System }}

{{ end }}
{{- range .Messages }}
{{- if eq .Role "user" }}### Instruction:
{{ .Content }}

{{ else if eq .Role "assistant" }}### Response:
{{ .Content }}</s>

{{ end }}
{{- end }}### Response:
"""

MEDICAL_ANSWER = (
    _SYSTEM_APART
    + f"{{{{- bos_token + '{EXPERT}\\n\\n' }}}}\n"
    + _TURNS_ALTERNATE
    + """\
{%- if turn.role == 'user' %}
{{- '### Question:\\n' + turn.content.strip() + '\\n\\n' }}
{%- else %}
{{- '### Medical Answer:\\n' + turn.content.strip() + eos_token + '\\n\\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '### Medical Answer:\\n' }}
{%- endif %}"""
)
"""In Alpaca's style, with an instruction of its own; a system text is left out."""
OLLAMA_MEDICAL_ANSWER = f"""\
{EXPERT}

{{{{ range .Messages }}}}
{{{{- if eq .Role "user" }}}}### Question:
{{{{ .Content }}}}

{{{{ else if eq .Role "assistant" }}}}### Medical Answer:
{{{{ .Content }}}}</s>

{{{{ end }}}}
{{{{- end }}}}### Medical Answer:
"""

CHATML = """\
{%- for turn in messages %}
{{- '<|im_start|>' + turn.role + '\\n' + turn.content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- endif %}"""
OLLAMA_CHATML = """\
{{- range .Messages }}<|im_start|>{{ .Role }}
{{ .Content }}<|im_end|>
{{ end }}<|im_start|>assistant
"""

_QWEN2_SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
QWEN2 = (
    "{%- if messages[0].role != 'system' %}\n"
    f"{{{{- '<|im_start|>system\\n{_QWEN2_SYSTEM}<|im_end|>\\n' }}}}\n"
    "{%- endif %}\n" + CHATML
)
"""ChatML with a system text of its own, as in Qwen2.5."""
OLLAMA_QWEN2 = (
    f"""\
{{{{- if not .System }}}}<|im_start|>system
{_QWEN2_SYSTEM}<|im_end|>
{{{{ end }}}}
"""
    + OLLAMA_CHATML
)

GEMMA = (
    _SYSTEM_APART
    + "{{- bos_token }}\n"
    + _TURNS_ALTERNATE
    + """\
{{- '<start_of_turn>' + ('user' if turn.role == 'user' else 'model') + '\\n' }}
{{- (system + '\\n\\n' if loop.first and system else '') + turn.content | trim }}
{{- '<end_of_turn>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<start_of_turn>model\\n' }}
{%- endif %}"""
)
"""As Gemma 3 has it: the system text stands in the first question. Gemma 2 refuses one."""
OLLAMA_GEMMA = """\
{{- range $i, $_ := .Messages }}
{{- if eq .Role "user" }}<start_of_turn>user
{{ if and $.System (le $i 1) }}{{ $.System }}

{{ end }}{{ .Content }}<end_of_turn>
{{ else if eq .Role "assistant" }}<start_of_turn>model
{{ .Content }}<end_of_turn>
{{ end }}
{{- end }}<start_of_turn>model
"""

PHI3 = """\
{%- for turn in messages %}
{%- if turn.role != 'system' or turn.content %}
{{- '<|' + turn.role + '|>\\n' + turn.content + '<|end|>\\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|assistant|>\\n' }}
{%- endif %}"""
OLLAMA_PHI3 = """\
{{- range .Messages }}<|{{ .Role }}|>
{{ .Content }}<|end|>
{{ end }}<|assistant|>
"""

MINI = MINI_TEMPLATE
OLLAMA_MINI = f"""\
{{{{- range .Messages }}}}
{{{{- if eq .Role "user" }}}}{USER}{{{{ .Content }}}}
{{{{- else if eq .Role "assistant" }}}}{ASSISTANT}{{{{ .Content }}}}</s>
{{{{- end }}}}
{{{{- end }}}}{ASSISTANT}"""

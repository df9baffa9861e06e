"""Ollama Modelfiles, rendered from the prompts.

Format: Ollama, docs/modelfile.md. BOS is not written: Ollama adds it, as the GGUF asks for.

    python -m medllm.modelfile mini > modelfiles/medical-llm-mini.Modelfile
"""

import sys

from medllm.errors import UsageError
from medllm.prompts import ASSISTANT, USER

_MINI = f'''\
# ollama create medical-llm-mini -f modelfiles/medical-llm-mini.Modelfile
# Rendered by: python -m medllm.modelfile mini
FROM ../data/models/medical-llm-mini.q4_k_m.gguf
TEMPLATE """{{{{- range .Messages }}}}\
{{{{- if eq .Role "user" }}}}{USER}{{{{ .Content }}}}\
{{{{- else if eq .Role "assistant" }}}}{ASSISTANT}{{{{ .Content }}}}</s>\
{{{{- end }}}}{{{{- end }}}}{ASSISTANT}"""
PARAMETER stop </s>
PARAMETER stop {USER}
PARAMETER temperature 0
PARAMETER num_ctx 1024
LICENSE """Apache-2.0. Educational information only: no medical advice, no diagnosis, no doses."""
'''


def render(family: str) -> str:
    """The Modelfile of a chat family.

    Raises:
        UsageError: there is none.
    """
    if family != "mini":
        raise UsageError(f"There is no Modelfile for {family!r}.", "There is: mini.")
    return _MINI


if __name__ == "__main__":
    sys.stdout.write(render(sys.argv[1]))

"""Chat families: how a kind of model is talked to, here, in Hugging Face and in Ollama.

family("mistral").jinja             what tokenizer_config.json and the GGUF carry
family("mistral").ollama_template   what a Modelfile's TEMPLATE says
recognise(template, "<s>", "</s>")  the family that a model's own template belongs to
of_model("mistral", template, "<s>", "</s>")    by its recorded name, else by the template
"""

from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType

from medllm import chat_templates as texts
from medllm import prompts
from medllm.errors import ModelError, UsageError

_Parameters = dict[str, int | float]

_DEFAULTS: _Parameters = {
    "temperature": 0,  # as medtui asks
    "repeat_penalty": 1,  # each card has the same four headings
    "num_ctx": 4096,
}


@dataclass(frozen=True, slots=True)
class ChatFamily:
    """How one kind of model is talked to."""

    name: str
    jinja: str
    """Chat template, as tokenizers of Hugging Face and GGUFs carry it."""
    ollama_template: str
    """The same as a Go template over `.System` and `.Messages`."""
    stops: tuple[str, ...]
    """Texts at which an answer ends; the first is what the template ends one with."""
    writes_bos: bool = True
    """Whether the Jinja template begins with BOS. The Ollama template never does."""
    takes_system: bool = True
    """Whether a system text gets into the prompt at all."""
    parameters: _Parameters = field(default_factory=lambda: dict(_DEFAULTS))
    """Ollama's parameters but the stops."""

    def spelled(self, bos: str, eos: str) -> "ChatFamily":
        """The family with BOS and EOS as a model's tokenizer spells them.

        Only the Ollama template and the stops have them written out. An empty spelling
        means that there is no such token.
        """

        def spell(text: str) -> str:
            return text.replace(texts.EOS, eos).replace(texts.BOS, bos)

        stops = tuple(stop for stop in map(spell, self.stops) if stop)
        return replace(self, ollama_template=spell(self.ollama_template), stops=stops)


_FAMILIES = (
    ChatFamily("llama2", texts.LLAMA2, texts.OLLAMA_LLAMA2, (texts.EOS, "[INST]", "<<SYS>>")),
    ChatFamily(
        "llama3",
        texts.LLAMA3,
        texts.OLLAMA_LLAMA3,
        ("<|eot_id|>", "<|end_of_text|>", "<|start_header_id|>"),
    ),
    ChatFamily(
        "llama3.1",
        texts.LLAMA31,
        texts.OLLAMA_LLAMA31,
        ("<|eot_id|>", "<|end_of_text|>", "<|start_header_id|>"),
    ),
    ChatFamily("mistral", texts.MISTRAL, texts.OLLAMA_MISTRAL, (texts.EOS, "[INST]")),
    ChatFamily("mistral-v1", texts.MISTRAL1, texts.OLLAMA_MISTRAL1, (texts.EOS, "[INST]")),
    ChatFamily("alpaca", texts.ALPACA, texts.OLLAMA_ALPACA, (texts.EOS, "### Instruction:")),
    ChatFamily(
        "medical-answer",
        texts.MEDICAL_ANSWER,
        texts.OLLAMA_MEDICAL_ANSWER,
        (texts.EOS, "### Question:"),
        takes_system=False,
    ),
    ChatFamily(
        "chatml",
        texts.CHATML,
        texts.OLLAMA_CHATML,
        ("<|im_end|>", "<|im_start|>"),
        writes_bos=False,
    ),
    ChatFamily(
        "qwen2.5",
        texts.QWEN2,
        texts.OLLAMA_QWEN2,
        ("<|im_end|>", "<|im_start|>"),
        writes_bos=False,
    ),
    ChatFamily("gemma", texts.GEMMA, texts.OLLAMA_GEMMA, ("<end_of_turn>", "<start_of_turn>")),
    ChatFamily(
        "phi3",
        texts.PHI3,
        texts.OLLAMA_PHI3,
        ("<|end|>", "<|endoftext|>", "<|user|>", "<|assistant|>"),
        writes_bos=False,
    ),
    ChatFamily(
        "mini",
        texts.MINI,
        texts.OLLAMA_MINI,
        (texts.EOS, prompts.USER),
        takes_system=False,
        parameters={**_DEFAULTS, "num_ctx": 1024},
    ),
)
FAMILIES = MappingProxyType({family.name: family for family in _FAMILIES})
"""All families by name."""

Chat = tuple[prompts.Message, ...]
_SYSTEM: prompts.Message = {"role": "system", "content": "Be brief."}
_FIRST: prompts.Message = {"role": "user", "content": "What is a stroke?"}
_FOLLOW_UP: Chat = (
    _FIRST,
    {"role": "assistant", "content": "A loss of blood flow to the brain."},
    {"role": "user", "content": "And a TIA?"},
)
_PROBES: tuple[Chat, ...] = ((_FIRST,), (_SYSTEM, _FIRST), _FOLLOW_UP, (_SYSTEM, *_FOLLOW_UP))


def family(name: str) -> ChatFamily:
    """The family of that name.

    Raises:
        UsageError: there is none.
    """
    try:
        return FAMILIES[name]
    except KeyError:
        raise UsageError(
            f"There is no chat family {name!r}.", f"There are: {', '.join(FAMILIES)}."
        ) from None


def of_model(
    recorded: str | None, template: str | None, bos: str = "", eos: str = ""
) -> ChatFamily | None:
    """The family of a model, with the model's spellings (`ChatFamily.spelled`).

    Args:
        recorded: `chat_family` of run.json; a name that is not known here counts as none.
        template: Jinja, as the tokenizer or the GGUF carries it; decides where nothing else does.
        bos: spelling of the model's BOS token, may be empty.
        eos: spelling of its EOS token.
    """
    if recorded and recorded in FAMILIES:
        return FAMILIES[recorded].spelled(bos, eos)
    return recognise(template, bos, eos)


def recognise(template: str | None, bos: str = "", eos: str = "") -> ChatFamily | None:
    """The family that a chat template belongs to, by what it renders.

    A BOS at the beginning, or none, makes no difference, nor does white space around a turn.

    Args:
        template: Jinja, as a tokenizer or a GGUF carries it.
        bos: spelling of the model's BOS token, may be empty.
        eos: spelling of its EOS token.

    Returns:
        The family with the model's spellings (`ChatFamily.spelled`), or None.
    """
    rendered = _render(template, bos, eos) if template else None
    if rendered is None:
        return None
    for known in FAMILIES.values():
        if _render(known.jinja, bos, eos) == rendered:
            return known.spelled(bos, eos)
    return None


@lru_cache(maxsize=32)
def _render(template: str, bos: str, eos: str) -> tuple[str, ...] | None:
    """The probes as a template has them, without the first BOS; None if it fails."""
    from medllm.engines.template import ChatTemplate

    try:
        chat = ChatTemplate(template, bos, eos)
        return tuple(chat.render(probe).removeprefix(bos) for probe in _PROBES)
    except ModelError:
        return None

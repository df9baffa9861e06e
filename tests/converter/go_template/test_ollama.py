"""A chat in an Ollama template: by messages, and turn by turn in older ones."""

import pytest
from medconvert.go_template import ollama
from medllm.chat_families import FAMILIES
from medllm.engines.template import ChatTemplate
from medllm.errors import ConversionError
from medllm.prompts import Message

SYSTEM: Message = {"role": "system", "content": "S"}
FIRST: Message = {"role": "user", "content": "Q1"}
ANSWER: Message = {"role": "assistant", "content": "A1"}
SECOND: Message = {"role": "user", "content": "Q2"}
CHATS: dict[str, tuple[Message, ...]] = {
    "question": (FIRST,),
    "system": (SYSTEM, FIRST),
    "follow-up": (FIRST, ANSWER, SECOND),
    "all": (SYSTEM, FIRST, ANSWER, SECOND),
    "longer": (SYSTEM, FIRST, ANSWER, SECOND, ANSWER, FIRST),
}
OLD = "{{ if .System }}<S>{{ .System }} {{ end }}{{ if .Prompt }}<U>{{ .Prompt }} {{ end }}<A>"


@pytest.mark.parametrize("chat", CHATS.values(), ids=CHATS)
@pytest.mark.parametrize("name", FAMILIES)
def test_each_family_writes_in_ollama_what_its_jinja_writes(
    name: str, chat: tuple[Message, ...]
) -> None:
    family = FAMILIES[name]
    text = ChatTemplate(family.jinja, "<s>", "</s>").render(chat)
    # The first BOS is left to Ollama.
    assert ollama.render(family.ollama_template, chat) == text.removeprefix("<s>")


# The expected texts are what Ollama's own template package writes.
@pytest.mark.parametrize(
    ("template", "chat", "wanted"),
    [
        pytest.param("{{ .Prompt }}", "question", "Q1", id="Ollama's default"),
        pytest.param(OLD, "question", "<U>Q1 <A>", id="no .Response: it is added at the end"),
        pytest.param(OLD, "all", "<S>S <U>Q1 <A>A1<U>Q2 <A>", id="turn by turn"),
        pytest.param(
            OLD + "{{ .Response }}<end>", "all", "<S>S <U>Q1 <A>A1<end><U>Q2 <A>",
            id="what follows .Response is left out the last time",
        ),
        pytest.param(
            "{{ if true }}[{{ .Response }}]{{ end }}.", "follow-up", "[A1].[",
            id=".Response in a branch",
        ),
        pytest.param(
            "{{ if .Response }}{{ .Prompt }}={{ .Response }};{{ end }}", "follow-up", "Q1=A1;",
            id=".Response as a condition ends nothing",
        ),
        pytest.param(
            "{{ .System }}{{ if .Prompt }}[{{ .Prompt }}]{{ .Response }}{{ end }}!", "system",
            "S[Q1]", id="branches after .Response are left out, too",
        ),
        pytest.param(
            "{{ range .Messages }}{{ .Role }}={{ .Content }};{{ end }}{{ .System }}", "all",
            "system=S;user=Q1;assistant=A1;user=Q2;S", id="by messages, the system text among them",
        ),
        pytest.param(
            "{{ if .Messages }}{{ len .Messages }}{{ else }}{{ .Prompt }}{{ .Response }}{{ end }}",
            "follow-up", "3", id="one that can do both gets messages",
        ),
    ],
)  # fmt: skip
def test_a_chat_gets_into_the_template(template: str, chat: str, wanted: str) -> None:
    assert ollama.render(template, CHATS[chat]) == wanted


def test_turns_of_the_same_role_are_made_one() -> None:
    template = "{{ .System }}|{{ range .Messages }}{{ .Role }}={{ .Content }};{{ end }}"
    chat = (SYSTEM, SYSTEM, FIRST, SECOND)
    assert ollama.render(template, chat) == "S\n\nS|system=S\n\nS;user=Q1\n\nQ2;"


@pytest.mark.parametrize(
    "template",
    ["{{ if .Prompt }}{{ .Response }}{{ else }}x{{ end }}", '{{ printf "%s" .Response }}'],
)
def test_a_template_that_ollama_can_not_cut_is_refused(template: str) -> None:
    with pytest.raises(ConversionError, match=r"Response|else"):
        ollama.render(template, CHATS["question"])

"""Every prompt, and the chat template of the mini model.

A change to any text here is a new `VERSION`: it is written into run.json and
into each answer's provenance.
"""

from typing import Literal, TypedDict

from medllm.card import Card, render

VERSION = "1"


class Message(TypedDict):
    """One turn of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


_EXAMPLE = Card(
    definition="One sentence that says what the term means.",
    explanation="Two or three sentences on how it comes about or how it works.",
    clinical_relevance="One or two sentences on why it matters in care.",
    safety_note="One sentence on when to seek help, and that this is general information.",
)

SYSTEM = f"""\
You explain medical terms, abbreviations, disease mechanisms, anatomy and diagnostic tests \
to patients and ward staff. Answer in exactly these four parts and write nothing outside them:

{render(_EXAMPLE)}

Use plain, textbook-level language. Give no doses, no personal diagnosis, no statistics and \
no references. If you are not sure of a fact, leave it out. If you don't know the term, say so \
in each part instead of guessing."""
"""What a full model is told before every question."""

EXPERT = "You are an expert doctor. Answer the question professionally and accurately."
"""The instruction that the chat family medical-answer begins with."""

PHRASINGS = (
    "What is {name}?",
    "Explain the medical term: {name}",
    "Define {name}.",
    "Tell me about {name}.",
    "What does {name} mean?",
)
"""The five ways of asking that training uses and evaluation asks by."""

ABBREVIATION_PHRASINGS = ("What does {name} stand for?", *PHRASINGS)
"""The ways of asking for an abbreviation."""

USER, ASSISTANT = "<|user|>", "<|assistant|>"

MINI_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'user' %}" + USER + "{{ message['content'] }}"
    "{% elif message['role'] == 'assistant' %}"
    + ASSISTANT
    + "{{ message['content'] }}{{ eos_token }}"
    "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}" + ASSISTANT + "{% endif %}"
)
"""Jinja chat template of the mini model. It has no system turn: the format is trained in."""


def ask(name: str) -> str:
    """The question that is put to a model for a term that was named in another way."""
    return PHRASINGS[1].format(name=name)


def messages(question: str, system: str | None = SYSTEM) -> tuple[Message, ...]:
    """A chat of one question, with the system prompt before it where there is one."""
    user: Message = {"role": "user", "content": question}
    return ({"role": "system", "content": system}, user) if system else (user,)


ONE_WORD = "Answer the question from the abstract with one word: yes, no or maybe.\nAnswer:"
"""How evaluation asks PubMedQA's questions, so training asks them like this too."""

FILL_GAP = "Which words fill the gap {gap}? Answer with them alone."
ALIKE = "Are these two patients alike in their illness? Answer yes or no."
RELEVANT = "Which of these articles matters most for the care of this patient?"
TITLE = "Which title would a report on this patient have?"
FINDINGS = "What do the labels of this radiograph say, finding by finding?"
IMPRESSION = "What is the impression that these findings give?"


def on_text(kind: str, text: str, question: str) -> str:
    """A question on a text; `kind` says what text it is: Abstract, Discharge summary, ..."""
    return f"{kind}:\n{text}\n\nQuestion: {question}"

"""Examples as token ids and labels: what the model reads, and what of it is learned.

A chat is rendered twice by the template, up to the answer and with it, and tokenized as a
whole; the labels begin where the two part. So the loss is on the completion alone for every
chat family, and each mistake that would be silent later is counted here.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from medllm.engines.template import folded
from medllm.errors import DataError, TrainingError
from medllm.prompts import Message

from medtrain.examples import Example
from medtrain.settings import TuningRecipe

MASKED = -100
"""The label of a token that is not learned."""
_DATE = "26 Jul 2024"
"""For templates that write the day's date: the same in every run."""
_BORDER = 4
"""Tokens at the end of a prompt that may merge with the beginning of an answer."""
Row = dict[str, list[int]]


@dataclass(slots=True)
class Tally:
    """What became of the examples."""

    examples: int = 0
    """Those that are trained on."""
    too_long: int = 0
    """Left out, since a part of the answer would be cut away."""
    merged: int = 0
    """Whose answer's first token is not cut as it would be when it is written."""
    without_system: int = 0
    """Whose system text the template leaves out."""
    lengths: list[int] = field(default_factory=list)
    """Tokens of each example."""
    learned: int = 0
    """Tokens with a label."""
    longest_refused: int = 0

    @property
    def tokens(self) -> int:
        """Of all examples."""
        return sum(self.lengths)


class Encoder(Protocol):
    """Makes token ids of one example."""

    def encode(self, example: Example, tally: Tally) -> Row | None:
        """The example's row; None where it is too long, which the tally counts."""
        ...


class ChatEncoder:
    """For causal models.

    Args:
        tokenizer: with its chat template.
        ends: ids of the tokens that end an answer.
        longest: tokens that an example may have.
    """

    def __init__(self, tokenizer: Any, ends: frozenset[int], longest: int) -> None:
        self._tokenizer, self._ends, self._longest = tokenizer, ends, longest
        # What the tokenizer puts before a text of itself must not come twice.
        bare = tokenizer("x", add_special_tokens=False)["input_ids"]
        whole = tokenizer("x")["input_ids"]
        self._begins = tokenizer.bos_token_id is not None and whole[: -len(bare)][:1] == [
            tokenizer.bos_token_id
        ]

    def encode(self, example: Example, tally: Tally) -> Row | None:
        """See `Encoder`.

        Raises:
            TrainingError: the template does not put the answer behind the prompt.
            DataError: the template fails on the chat.
        """
        before, whole = map(self._ids, self.texts(example))
        shared = _shared(before, whole)
        if len(before) - shared > _BORDER:
            raise TrainingError(
                "The chat template does not put the answer behind the prompt.",
                "Take the template of a family: --set template=family",
            )
        ids = self._ended(whole, shared)
        if len(ids) > self._longest:
            tally.too_long += 1
            tally.longest_refused = max(tally.longest_refused, len(ids))
            return None
        tally.merged += shared < len(before)
        tally.without_system += self._drops_system(example)
        return _counted(ids, [MASKED] * shared + ids[shared:], len(ids), tally)

    def texts(self, example: Example) -> tuple[str, str]:
        """The chat up to the answer, and with it.

        Mistral's template writes the system text into the last turn, if that is the user's, and
        forgets it once there is an answer. Then the answer is rendered without a system text,
        and put behind the prompt that the model will be asked with.
        """
        answer: Message = {"role": "assistant", "content": example.completion}
        chat, where = example.prompt, example.document
        before = self.render(chat, where, asks=True)
        whole = self.render([*chat, answer], where, asks=False)
        if not whole.startswith(before) and chat[0]["role"] == "system":
            bare = self.render(chat[1:], where, asks=True)
            answered = self.render([*chat[1:], answer], where, asks=False)
            if answered.startswith(bare):
                return before, before + answered[len(bare) :]
        return before, whole

    def render(self, chat: list[Message], where: str, *, asks: bool) -> str:
        """The chat's text; where the template refuses a system text, it goes into the question.

        Args:
            chat: the turns.
            where: which example it is, for messages.
            asks: whether the beginning of an answer is written behind it.

        Raises:
            DataError: the template refuses it.
        """
        try:
            return self._apply(chat, asks)
        except Exception as error:  # a template can fail in any way that Python can
            if chat[0]["role"] == "system":
                return self.render(list(folded(tuple(chat))), where, asks=asks)
            told = " ".join(str(error).split())[:200]
            raise DataError(f"{where}: the chat template refuses this chat: {told}") from error

    def _apply(self, chat: list[Message], asks: bool) -> str:
        text: str = self._tokenizer.apply_chat_template(
            chat, tokenize=False, add_generation_prompt=asks, date_string=_DATE
        )
        return text

    def _ids(self, text: str) -> list[int]:
        """Tokens with exactly one BOS at the beginning, where the model has one there."""
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        bos = self._tokenizer.bos_token_id
        return [bos, *ids] if self._begins and ids[:1] != [bos] else ids

    def _ended(self, ids: list[int], start: int) -> list[int]:
        """The tokens up to the one that ends the answer; it is added where it is missing."""
        for place in range(len(ids) - 1, start - 1, -1):
            if ids[place] in self._ends:
                return ids[: place + 1]
        return [*ids, self._tokenizer.eos_token_id]

    def _drops_system(self, example: Example) -> bool:
        first = example.prompt[0]
        text = first["content"].strip()
        if first["role"] != "system" or not text:
            return False
        return text not in self.render(example.prompt, example.document, asks=True)


class PairEncoder:
    """For encoder-decoders: the question goes to the encoder, the answer is learned.

    Args:
        tokenizer: with a chat template that writes prefix and end.
        longest: tokens that a question and an answer may have, each.
    """

    def __init__(self, tokenizer: Any, longest: int) -> None:
        self._tokenizer, self._longest = tokenizer, longest

    def encode(self, example: Example, tally: Tally) -> Row | None:
        """See `Encoder`."""
        text = self._tokenizer.apply_chat_template(example.prompt, tokenize=False)
        ids = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        labels = self._tokenizer(text_target=example.completion)["input_ids"]
        if labels[-1] != self._tokenizer.eos_token_id:
            labels = [*labels, self._tokenizer.eos_token_id]
        if max(len(ids), len(labels)) > self._longest:
            tally.too_long += 1
            tally.longest_refused = max(tally.longest_refused, len(ids), len(labels))
            return None
        return _counted(ids, labels, len(ids) + len(labels), tally)


def encoder_for(recipe: TuningRecipe, tokenizer: Any, ends: frozenset[int]) -> Encoder:
    """The encoder of a recipe's kind."""
    if recipe.kind == "causal":
        return ChatEncoder(tokenizer, ends, recipe.train.max_length)
    return PairEncoder(tokenizer, recipe.train.max_length)


def encode_all(examples: Iterable[Example], encoder: Encoder, tally: Tally) -> Iterator[Row]:
    """The rows of those examples that are not too long."""
    return (row for example in examples if (row := encoder.encode(example, tally)))


def write(rows: Iterable[Row], file: Path) -> None:
    """Writes rows of `input_ids` and `labels` as an Arrow stream, which datasets maps into memory.

    Raises:
        StorageError: the disk is full.
    """
    import pyarrow
    from medllm import files

    schema = pyarrow.schema(
        [(name, pyarrow.list_(pyarrow.int32())) for name in ("input_ids", "labels")]
    )
    with (
        files.atomic(file) as temporary,
        pyarrow.OSFile(str(temporary), "wb") as stream,
        pyarrow.ipc.new_stream(stream, schema) as writer,
    ):
        for part in _parts(rows, 1000):
            writer.write_batch(pyarrow.RecordBatch.from_pylist(part, schema))


def _parts(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    part: list[Row] = []
    for row in rows:
        part.append(row)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part


def _shared(left: list[int], right: list[int]) -> int:
    """How many tokens two lists have in common at their beginning."""
    pairs = enumerate(zip(left, right, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(left), len(right)))


def _counted(ids: list[int], labels: list[int], length: int, tally: Tally) -> Row:
    tally.examples += 1
    tally.lengths.append(length)
    tally.learned += sum(label != MASKED for label in labels)
    return {"input_ids": ids, "labels": labels}

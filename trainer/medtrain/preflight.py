"""Before the first step: the silent mistakes of fine-tuning are refused, and a sample is shown."""

from collections.abc import Mapping, Sequence
from typing import Any

from medllm.errors import TrainingError

from medtrain.encoding import MASKED, Tally
from medtrain.settings import TuningRecipe

_MOST_CHECKED = 64
_MOST_COLLATED = 4
_MOST_SHOWN = 1500
"""Characters of each part of the sample."""


def check_counts(recipe: TuningRecipe, tally: Tally) -> None:
    """Refuses a data set that is empty, or that hardly fits.

    Raises:
        TrainingError: nothing is left, or more than half of it was too long.
    """
    longest = recipe.train.max_length
    hint = f"Try --set train.max_length={_rounded(tally.longest_refused)}, or shorter examples."
    if not tally.examples and not tally.too_long:
        raise TrainingError("There is no example to train on.", "Look at the data.")
    if not tally.examples:
        raise TrainingError(f"Every example is longer than {longest} tokens.", hint)
    if tally.too_long > tally.examples:
        raise TrainingError(
            f"{tally.too_long} of {tally.too_long + tally.examples} examples are longer than "
            f"{longest} tokens.",
            hint,
        )


def check_rows(rows: Sequence[Mapping[str, Any]], tokenizer: Any, ends: frozenset[int]) -> None:
    """Looks at the first examples, each by itself; see `check_row`."""
    for place in range(min(_MOST_CHECKED, len(rows))):
        check_row(rows[place]["input_ids"], rows[place]["labels"], tokenizer, ends)


def check_batch(trainer: Any) -> None:
    """Looks at what the model will really be given: it must learn what the examples say, no more.

    Raises:
        TrainingError: a prompt or padding would be learned, or a part of an answer would not.
    """
    data = trainer.train_dataset
    rows = [dict(data[i]) for i in range(min(_MOST_COLLATED, len(data)))]
    wanted = sum(_learned(row["labels"]) for row in rows)
    found = _learned(trainer.data_collator(rows)["labels"].flatten().tolist())
    if found > wanted:
        raise TrainingError(
            f"{found} tokens of a batch would be learned and only {wanted} are of answers.",
            "Leave out what `extra` says of batches.",
        )
    if found < wanted:
        raise TrainingError(
            f"Only {found} of the {wanted} tokens of a batch's answers would be learned.",
            "Leave out what `extra` says of batches.",
        )


def check_row(
    ids: Sequence[int], labels: Sequence[int], tokenizer: Any, ends: frozenset[int]
) -> None:
    """Looks at one example.

    Raises:
        TrainingError: nothing of it is learned, BOS stands twice or not at all, or the end of the
            answer is not learned.
    """
    learned = [label for label in labels if label != MASKED]
    if not learned:
        raise TrainingError("An example has no token to learn: its answer was cut away.")
    if len(learned) == 1:
        raise TrainingError("An answer is empty: only its end would be learned.")
    if learned[-1] not in ends:
        raise TrainingError("The end of an answer is not learned: it lacks its EOS token.")
    bos = tokenizer.bos_token_id
    if bos is None or not _is_chat(labels):
        return
    begins = tokenizer("x")["input_ids"][:1] == [bos]
    if begins and ids[0] != bos:
        raise TrainingError("An example does not begin with a BOS token.")
    if list(ids[:2]) == [bos, bos]:
        raise TrainingError("An example begins with two BOS tokens.")


def _learned(labels: Sequence[int]) -> int:
    return sum(label != MASKED for label in labels)


def _is_chat(labels: Sequence[int]) -> bool:
    """Whether a row is prompt and answer in one; a pair's labels are all of the answer."""
    return labels[0] == MASKED


def show(
    recipe: TuningRecipe,
    tokenizer: Any,
    tallies: tuple[Tally, Tally],
    row: dict[str, Any],
    facts: dict[str, str],
) -> None:
    """Prints what is trained on and one example, its masked and its learned part apart.

    Args:
        recipe: the settings.
        tokenizer: reads the tokens back.
        tallies: of training and of validation.
        row: ids and labels of the example.
        facts: more lines, by what they are about.
    """
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for name, line in {**_counts(recipe, tallies, tokenizer), **facts}.items():
        console.print(Text.assemble((f"{name}: ", "bold"), line))
    for title, text, style in _parts(row, tokenizer):
        console.print(Text(f"{title}:", "bold"))
        console.print(Text(_indented(text), style))


def _counts(recipe: TuningRecipe, tallies: tuple[Tally, Tally], tokenizer: Any) -> dict[str, str]:
    train, validation = tallies
    lines = {
        "Examples": f"{train.examples:,} to learn, {validation.examples:,} to validate, "
        f"{train.tokens:,} tokens, {train.learned / max(train.tokens, 1):.0%} of them learned"
    }
    left_out = train.too_long + validation.too_long
    if left_out:
        lines["Left out"] = f"{left_out:,} longer than {recipe.train.max_length} tokens"
    if train.without_system:
        lines["System text"] = f"the chat template leaves it out of {train.without_system:,}"
    if train.merged:
        lines["Border"] = f"prompt and answer share a token in {train.merged:,} examples"
    if tokenizer.pad_token_id == tokenizer.eos_token_id:
        lines["Padding"] = "the end token, which the labels leave out where it is padding"
    return lines


def _parts(row: dict[str, Any], tokenizer: Any) -> list[tuple[str, str, str]]:
    ids, labels = list(row["input_ids"]), list(row["labels"])
    learned = [label for label in labels if label != MASKED]
    prompt = ids
    if _is_chat(labels):
        prompt = [i for i, label in zip(ids, labels, strict=True) if label == MASKED]
    return [
        ("Masked", tokenizer.decode(prompt), "dim"),
        ("Learned", tokenizer.decode(learned), "green"),
    ]


def _indented(text: str) -> str:
    cut = text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]} ..."
    return "\n".join(f"  {line}" for line in cut.splitlines())


def _rounded(length: int) -> int:
    return -(-length // 64) * 64

"""Data of one's own: prompts and completions, or chats, a line each.

With `columns: {prompt: question, completion: answer}` any table will do (JSON lines, CSV, TSV,
parquet); `document` and `context` may be named too. Without it a line is what training reads.
"""

from collections.abc import Iterator
from typing import Any

from medllm import prompts
from medllm.errors import DataError, UsageError

from medtrain import examples
from medtrain.examples import Example
from medtrain.readers.reader import Reader, text_id
from medtrain.readers.rows import Row
from medtrain.settings import SourceSettings

_COLUMNS = ("prompt", "completion", "context", "document", "licence")


class Plain(Reader):
    """Lines of prompt and completion, of messages, or of columns that the recipe names."""

    name = "jsonl"
    about = "one's own prompts and completions, or chats; any table whose columns are named"
    licence = "the user's own"
    url = "the recipe's data.path"
    files = ("*.jsonl", "*.json", "*.csv", "*.tsv", "*.parquet")

    def __init__(self, source: SourceSettings) -> None:
        """Refuses columns that mean nothing here."""
        super().__init__(source)
        if unknown := sorted(set(source.columns) - set(_COLUMNS)):
            raise UsageError(
                f"data.columns: nothing is called {unknown[0]!r} here.",
                f"These are: {', '.join(_COLUMNS)}.",
            )

    def examples(self, row: Row) -> Iterator[Example]:
        """The example of a line."""
        content = row.read()
        if self.source.columns:
            yield self._mapped(row, content)
            return
        found = examples.parse(content, row.where, self.name)
        text = found.prompt[-1]["content"]
        named = found.document if "document" in content else text_id(text)
        licence = found.licence or self.licence
        yield Example(found.prompt, found.completion, found.source, licence, named, found.kind)

    def _mapped(self, row: Row, content: dict[str, Any]) -> Example:
        columns = {"prompt": "prompt", "completion": "completion"} | self.source.columns
        texts = {name: row.field(content, column) for name, column in columns.items()}
        for name in ("prompt", "completion", "context"):
            if not isinstance(texts.get(name, ""), str):
                raise DataError(f"{row.where}: {columns[name]} is not a text.")
        prompt = texts["prompt"]
        if texts.get("context"):
            prompt = prompts.on_text("Text", texts["context"], prompt)
        document = str(texts.get("document") or text_id(texts.get("context") or prompt))
        found = self.example(prompt, texts["completion"], document, "question")
        if texts.get("licence"):
            return Example(found.prompt, found.completion, found.source, str(texts["licence"]),
                           found.document, found.kind)  # fmt: skip
        return found


READER = Plain

"""BioRead and BioReadLite: gaps in sentences of articles, with entities to choose from.

Pappas, Androutsopoulos and Papageorgiou 2018, LREC. A file an instance, in folders train, valid
and test: context, question, entities and answer, in this order, with a line of thirty hyphens
between them. Entities stand as @entityN; their list has lines `@entityN: name`, and the answer
is one of these lines; the gap is XXXXXX. So it is read by a converter of other people
(https://github.com/kiendang/bioread); the published archive itself was not seen. The answer
that is learned is the name, where the list has one.

JSON with the columns of BIOMRC, by the same group (abstract, title, entities_list, answer), is
read too, as its page on the Hub has it (nlpaueb/biomrc).
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medllm import prompts
from medllm.errors import DataError

from medtrain.examples import Example
from medtrain.readers import rows
from medtrain.readers.reader import Reader, text_id
from medtrain.readers.rows import Row

_BETWEEN = re.compile(r"^-{30}-*\s*$", re.MULTILINE)
_ENTITY = re.compile(r"@entity\d+")
_GAP = "XXXXXX"


class BioRead(Reader):
    """An example a gap; what was made from one text is one document."""

    name = "bioread"
    about = "BioRead (16.4 million gaps) and BioReadLite (900,000), from articles of PMC"
    licence = "see its page"
    access = "see its page"
    url = "http://nlp.cs.aueb.gr/publications.html"
    files = ("xx*", "train/*", "*.json", "*.jsonl", "*.parquet")
    near = False

    def rows_of(self, file: Path) -> Iterator[Row]:
        """One row, or, of a JSON file, several."""
        if file.suffix in (".json", ".jsonl", ".parquet"):
            yield from rows.of_file(file)
            return
        text = "".join(line for _, line in rows.text_lines(file))
        yield Row(f"{file}, line 1", {"text": text})

    def examples(self, row: Row) -> Iterator[Example]:
        """The gap, and the entity that fills it."""
        content = row.read()
        if "text" in content:
            parts = [part.strip() for part in _BETWEEN.split(content["text"])]
            if len(parts) < 4:
                raise DataError(
                    f"{row.where}: there are {len(parts)} parts, not context, question, entities "
                    "and answer."
                )
            context, question, listed, answer = parts[:4]
            entities = listed.splitlines()
        else:
            context, question = (
                str(row.field(content, "abstract")),
                str(row.field(content, "title")),
            )
            entities, answer = (
                row.field(content, "entities_list"),
                str(row.field(content, "answer")),
            )
        yield self._filled(row, context, question, [str(e) for e in entities], answer)

    def _filled(
        self, row: Row, context: str, question: str, entities: list[str], answer: str
    ) -> Example:
        named = dict(filter(None, map(_named, entities)))
        found = _ENTITY.match(answer.strip())
        if not found:
            raise DataError(f"{row.where}: the answer is no @entity.")
        lines = [f"{entity}: {name}" for entity, name in named.items()]
        text = "\n".join([context, "", "Entities:", *lines])
        gap = _GAP if _GAP in question else "XXXX"
        asked = f"{question}\n{prompts.FILL_GAP.format(gap=gap)}"
        prompt = prompts.on_text("Text", text, asked)
        filling = named.get(found.group()) or found.group()
        return self.example(prompt, filling, text_id(context), "cloze")


def _named(line: Any) -> tuple[str, str] | None:
    """Mark and name of a line `@entity3: name`, or `@entity3 :: (id, type) :: ['name', ...]`."""
    mark = _ENTITY.match(str(line).strip())
    if not mark:
        return None
    rest = str(line).strip()[mark.end() :].rpartition("::")[2].strip(" :\t")
    return mark.group(), rest.strip("[]").split("', '")[0].strip("'\" ")


READER = BioRead

"""BioRead and BioReadLite: gaps in sentences of articles, with entities to choose from.

Pappas, Androutsopoulos and Papageorgiou 2018, LREC. Text files, in parts (bioread_lite/
train_part_0.txt), for train, validation and test. A line of thirty = signs stands between two
instances, a line of thirty hyphens between the four parts of each: context, question, entities
and answer. Entities stand as @entityN; their list has lines `@entityN:name`, and the answer is
one of these lines; the gap is XXXXXX. Files of one instance each, as csplit cuts them (xx00),
are read too. The answer that is learned is the name, where the list has one.

So it is read by the code of others who have the files (https://github.com/kiendang/bioread, and a
parser that names train_part_0.txt); they were not seen here. The code of its authors
(https://github.com/dpappas/BIOREAD_code) reads pickles made of them, which are not read here.

JSON with the columns of BIOMRC, by the same group (abstract, title, entities_list, answer), is
read too, as its page on the Hub has it (nlpaueb/biomrc).
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medllm import prompts
from medllm.errors import DataError, UsageError

from medtrain.examples import Example
from medtrain.readers import rows
from medtrain.readers.reader import Reader, text_id
from medtrain.readers.rows import Row

LONGEST = 1 << 24
"""Characters; what is longer is no instance but another kind of file."""
_AFTER = re.compile(r"={30}\s*")
_BETWEEN = re.compile(r"^-{30}-*\s*$", re.MULTILINE)
_HELD_OUT = re.compile(r"valid|dev|test", re.IGNORECASE)
_ENTITY = re.compile(r"@entity\d+")
_GAP = "XXXXXX"


class BioRead(Reader):
    """An example a gap; what was made from one text is one document."""

    name = "bioread"
    about = "BioRead (16.4 million gaps) and BioReadLite (900,000), from articles of PMC"
    licence = "not known (see its page)"
    access = "from the Internet Archive, as users of it tell; its terms are not known"
    url = "https://archive.org/details/bioread_dataset.tar"
    files = ("train*", "train*/*", "xx*", "*.json", "*.jsonl", "*.parquet")
    near = False

    def inputs(self) -> list[Path]:
        """Its files, without those that were made for validation and for tests."""
        found = super().inputs()
        root = Path(self.source.path).expanduser()
        kept = [
            file for file in found if not any(map(_HELD_OUT.match, file.relative_to(root).parts))
        ]
        if found and not kept:
            raise UsageError(
                f"{self.source.path} holds nothing but validation and tests.",
                "Name the file itself.",
            )
        return kept

    def rows_of(self, file: Path) -> Iterator[Row]:
        """A row an instance."""
        if file.suffix in (".json", ".jsonl", ".parquet"):
            yield from rows.of_file(file)
            return
        began, lines, size = 1, list[str](), 0
        for number, line in rows.text_lines(file):
            if not _AFTER.fullmatch(line):
                lines.append(line)
                size += len(line)
                if size > LONGEST:
                    raise DataError(f"{file}, line {began}: an instance begins here without end.")
                continue
            yield from _row(file, began, lines)
            began, lines, size = number + 1, [], 0
        yield from _row(file, began, lines)

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


def _row(file: Path, began: int, lines: list[str]) -> Iterator[Row]:
    """An instance, where there is more than empty lines."""
    text = "".join(lines)
    if text.strip():
        yield Row(f"{file}, line {began}", {"text": text})


def _named(line: Any) -> tuple[str, str] | None:
    """Mark and name of a line `@entity3:name`, or `@entity3 :: (id, type) :: ['name', ...]`."""
    mark = _ENTITY.match(str(line).strip())
    if not mark:
        return None
    rest = str(line).strip()[mark.end() :].rpartition("::")[2].strip(" :\t")
    return mark.group(), rest.strip("[]").split("', '")[0].strip("'\" ")


READER = BioRead

"""HealthQA: questions of consumers, answered by articles of a health site.

Zhu, Ahuja, Wei and Reddy 2019, WWW. pinfo-mz-train.txt, pinfo-mz-dev.txt and pinfo-mz-test.txt
have a line for each query and text: label, query and text of a document, separated by tabs, the
words by blanks. Label 1 means that the text answers the query; nine lines with label 0 follow.
A comma stands after each text, which is no part of it.

So its authors' code writes and reads it (https://github.com/mingzhu0527/HAR,
data/pinfo/data_prepro.py), and so do others read the files that they were given
(https://github.com/sebastianarnold/TeXoo, HealthQAReader.java; claws-lab/XLingEval). The files
were not seen.
"""

from collections.abc import Iterator
from pathlib import Path

from medllm.errors import DataError

from medtrain.examples import Example
from medtrain.readers import rows
from medtrain.readers.reader import Reader, text_id
from medtrain.readers.rows import Row


class HealthQA(Reader):
    """The query and the text that answers it; other texts are passed over."""

    name = "healthqa"
    about = "HealthQA: questions of consumers, answered by articles of a health site"
    licence = "not known (its authors' page names none)"
    access = "asked for by e-mail from its authors; the address is on its page"
    url = "https://github.com/mingzhu0527/HAR"
    files = ("*-mz-train.txt",)

    def rows_of(self, file: Path) -> Iterator[Row]:
        """A row a line."""
        for number, line in rows.text_lines(file):
            if line.strip():
                columns = dict(enumerate(line.rstrip("\r\n").split("\t")))
                yield Row(f"{file}, line {number}", columns)

    def examples(self, row: Row) -> Iterator[Example]:
        """The query and its answer."""
        columns = list(row.read().values())
        if len(columns) != 3 or not columns[0].strip().lstrip("-").isdigit():
            raise DataError(f"{row.where}: this is not label, query and text, with tabs between.")
        label, query, text = columns
        if int(label) == 1:
            text = text.strip().removesuffix(",").rstrip()
            yield self.example(query, text, text_id(text), "question")


READER = HealthQA

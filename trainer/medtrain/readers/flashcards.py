"""Medical flashcards: questions of medical students with their answers.

Han and others 2023, arXiv:2304.08247 (medAlpaca). A JSON array, or the Hub's rows, of
instruction, input (the question) and output (the answer). The instruction is one sentence that
is the same in all rows; the chat family asks in its own words instead.
"""

from collections.abc import Iterator

from medllm.errors import DataError

from medtrain.examples import Example
from medtrain.readers.reader import Reader, text_id
from medtrain.readers.rows import Row


class Flashcards(Reader):
    """A question and its answer a row; other sets of Medical Meadow have the same columns."""

    name = "flashcards"
    about = "medical_meadow_medical_flashcards and others of Medical Meadow"
    licence = "cc (as its page on the Hub says, without a version)"
    url = "https://huggingface.co/datasets/medalpaca/medical_meadow_medical_flashcards"

    def examples(self, row: Row) -> Iterator[Example]:
        """The question, or the instruction where there is no question, and the answer."""
        content = row.read()
        asked = row.field(content, "input") or row.field(content, "instruction")
        answer = row.field(content, "output")
        if not isinstance(asked, str) or not isinstance(answer, str):
            raise DataError(f"{row.where}: input and output are not texts.")
        yield self.example(asked, answer, text_id(asked.casefold().strip()), "question")


READER = Flashcards

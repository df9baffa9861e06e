"""PubMedQA: questions on abstracts, with a label (yes, no, maybe) and a long answer.

Jin, Dhingra, Liu, Cohen and Lu 2019, EMNLP. Two layouts: the repository's ori_pqal.json and
ori_pqaa.json, objects keyed by PMID (QUESTION, CONTEXTS, final_decision, LONG_ANSWER), and the
Hub's rows (pubid, question, context.contexts, final_decision, long_answer), whose subsets are
pqa_labeled and pqa_artificial.
"""

from collections.abc import Iterator
from typing import Any

from medllm import prompts
from medllm.errors import DataError

from medtrain.examples import Example
from medtrain.readers.reader import Reader
from medtrain.readers.rows import Row

LABELS = ("yes", "no", "maybe")


class PubMedQA(Reader):
    """Each row makes two examples: the label, asked as evaluation asks, and the long answer."""

    name = "pubmedqa"
    about = "PubMedQA (PQA-L, PQA-A): questions on abstracts, yes, no or maybe, and why"
    licence = "MIT"
    url = "https://github.com/pubmedqa/pubmedqa"
    files = ("ori_pqal.json", "ori_pqaa.json", "*.parquet", "*.jsonl")
    subset = "pqa_labeled"
    keyed = True

    def examples(self, row: Row) -> Iterator[Example]:
        """The label and the long answer, where there are any."""
        content = row.read()
        if "pubid" in content:
            context = row.field(content, "context")
            texts = context.get("contexts") if isinstance(context, dict) else None
            names, pmid = ("question", "final_decision", "long_answer"), str(content["pubid"])
        else:
            texts = row.field(content, "CONTEXTS")
            names, pmid = ("QUESTION", "final_decision", "LONG_ANSWER"), row.key
        question = row.field(content, names[0])
        if not isinstance(texts, list) or not isinstance(question, str):
            raise DataError(f"{row.where}: the contexts are no list, or the question is no text.")
        asked = prompts.on_text("Abstract", "\n".join(map(str, texts)), question)
        yield from self._answered(asked, pmid, content.get(names[1]), content.get(names[2]))

    def _answered(self, asked: str, pmid: str, label: Any, long: Any) -> Iterator[Example]:
        label = str(label or "").lower()
        if label in LABELS:
            yield self.example(f"{asked}\n\n{prompts.ONE_WORD}", label, pmid, "choice")
        if long:
            yield self.example(asked, str(long), pmid, "question")


READER = PubMedQA

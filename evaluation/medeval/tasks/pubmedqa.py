"""PubMedQA: a question on an abstract, to be answered with yes, no or maybe.

Jin, Dhingra, Liu, Cohen and Lu 2019, EMNLP. Data: ori_pqal.json and
test_ground_truth.json of https://github.com/pubmedqa/pubmedqa; the official test split
is the PMIDs of the latter.
"""

from pathlib import Path

from medllm.errors import DataError

from medeval.choice import ChoiceTask
from medeval.reading import needed, one_file, read_object, unlabelled
from medeval.sample import Sample

LABELS = ("yes", "no", "maybe")
_WHAT = "the folder with ori_pqal.json and test_ground_truth.json"


class PubMedQA(ChoiceTask):
    """Asked by the likeliest label."""

    name = "pubmedqa"
    about = "PubMedQA, official test split, by log-probability of yes, no and maybe"
    takes = _WHAT
    needs_data = True

    def samples(self, data: Path | None) -> list[Sample]:
        """The questions of the official test split that have a label."""
        folder = needed(data, self.name, _WHAT)
        file = one_file(folder, "ori_pqal.json")
        rows, truth = read_object(file), _ground_truth(file)
        missing = [pmid for pmid in truth if pmid not in rows]
        if missing:
            raise DataError(
                f"{file} lacks {len(missing)} of the {len(truth)} test PMIDs, {missing[0]} first.",
                "Fetch both files from one release.",
            )
        found = []
        for pmid, label in truth.items():
            row, gold = rows[pmid], str(label or rows[pmid].get("final_decision") or "")
            if gold.lower() in LABELS:
                found.append(self.sample(pmid, _prompt(file, pmid, row), LABELS, gold.lower()))
        if not found:
            raise unlabelled(file)
        return found


class PubMedQAWritten(PubMedQA):
    """Asked by generation."""

    name = "pubmedqa-written"
    about = "PubMedQA, official test split, label read out of the written answer"
    written = True


def _ground_truth(file: Path) -> dict[str, str]:
    truth = file.with_name("test_ground_truth.json")
    if not truth.is_file():
        raise DataError(
            f"{truth.name} is not beside {file.name}, so the official test split is unknown.",
            "It comes with PubMedQA's repository; put both files into one folder.",
        )
    return read_object(truth)


def _prompt(file: Path, pmid: str, row: dict[str, object]) -> str:
    contexts, question = row.get("CONTEXTS"), row.get("QUESTION")
    if not isinstance(contexts, list) or not isinstance(question, str):
        raise DataError(
            f"{file}, PMID {pmid}: QUESTION or CONTEXTS is missing.", "Fetch the file again."
        )
    abstract = "\n".join(map(str, contexts))
    return (
        f"Abstract:\n{abstract}\n\nQuestion: {question}\n\n"
        "Answer the question from the abstract with one word: yes, no or maybe.\nAnswer:"
    )


TASKS = (PubMedQA(), PubMedQAWritten())

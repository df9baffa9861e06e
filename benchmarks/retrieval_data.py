"""What the retrieval benchmarks read: MedQuAD's documents, and questions by synonyms of them."""

import json
import random
import re
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import linking_data
from medllm import paths
from medllm.retrieval import names
from medllm.retrieval.index import Index
from medllm.terminology import tokens
from medllm.terminology.facts import Scope
from medllm.terminology.store import Store

SEED = 20_260


@dataclass(frozen=True)
class Document:
    """A document of MedQuAD: a focus, and questions and answers about it."""

    path: str
    """Under which it is written for the index."""
    focus: str
    codes: frozenset[str]
    synonyms: tuple[str, ...]
    """As the file gives them."""
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Query:
    """A question by a synonym; `document` is the one that it was made from."""

    text: str
    document: Document
    source: str
    """Whether the synonym is from the file or from the vocabulary."""


@dataclass(frozen=True)
class Prepared:
    """What both benchmarks begin with; it is kept in the folder `work`."""

    work: Path
    documents: list[Document]
    vocabulary: Store
    queries: list[Query]

    def file(self, cards: bool) -> Path:
        """The index of the documents, with the built-in cards or without."""
        return self.work / ("index.sqlite3" if cards else "documents.sqlite3")

    @property
    def folder(self) -> Path:
        """The documents as Markdown."""
        return self.work / "documents"


def prepare(folder: Path, work: Path) -> Prepared:
    """Reads MedQuAD, compiles MONDO and the Disease Ontology, and makes the questions."""
    work.mkdir(parents=True, exist_ok=True)
    documents = read_medquad(folder / "medquad")
    file = work / "vocabulary.sqlite3"
    if not file.exists():
        linking_data.compile_public(folder, file)
    vocabulary = Store(file)
    prepared = Prepared(work, documents, vocabulary, make_queries(documents, vocabulary, SEED))
    write_markdown(documents, prepared.folder)
    return prepared


def halves(queries: Sequence[Query]) -> dict[str, Sequence[Query]]:
    """The questions of the documents that serve to tune, and of those that don't."""
    half = len(queries) // 2
    return {"tuning": queries[:half], "held out": queries[half:]}


def index(prepared: Prepared, cards: bool) -> Index:
    """The index of the documents, made or brought in step."""
    opened = Index.open(prepared.file(cards))
    if cards:
        opened.add_cards()
    opened.update(prepared.folder)
    return opened


def read_medquad(folder: Path) -> list[Document]:
    """The documents of all sets in `folder` that have an answer."""
    found = []
    for archive in sorted(folder.glob("*.tar.gz")):
        with tarfile.open(archive) as members:
            for member in members:
                if member.name.endswith(".xml") and (stream := members.extractfile(member)):
                    found.append(_document(member.name, ElementTree.parse(stream).getroot()))
    return [document for document in found if document.pairs and document.focus]


def _document(name: str, root: ElementTree.Element) -> Document:
    pairs = []
    for pair in root.iter("QAPair"):
        question, answer = pair.findtext("Question") or "", pair.findtext("Answer") or ""
        if answer.strip():
            pairs.append((" ".join(question.split()), answer.strip()))
    return Document(
        name.removesuffix(".xml") + ".md",
        " ".join((root.findtext("Focus") or "").split()),
        frozenset(cui.text.strip() for cui in root.iter("CUI") if cui.text),
        tuple(" ".join(s.text.split()) for s in root.iter("Synonym") if s.text and s.text.strip()),
        tuple(pairs),
    )


def write_markdown(documents: Iterable[Document], folder: Path) -> None:
    """Writes each document as Markdown: the focus and the questions are its headings."""
    for document in documents:
        target = folder / document.path
        target.parent.mkdir(parents=True, exist_ok=True)
        parts = [f"# {document.focus}\n"]
        parts += [f"## {question}\n\n{answer}\n" for question, answer in document.pairs]
        text = "\n".join(parts)
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            target.write_text(text, encoding="utf-8")


def make_queries(documents: Sequence[Document], vocabulary: Store, seed: int) -> list[Query]:
    """One question for each document that has a synonym; see benchmarks/retrieval.py."""
    chance = random.Random(seed)
    queries = []
    for document in documents:
        source, usable = "file", _different(document, document.synonyms)
        if not usable:
            source = "vocabulary"
            usable = _different(document, _vocabulary_names(document.focus, vocabulary))
        if not usable:
            continue
        synonym = chance.choice(usable)
        pattern = re.compile(rf"(?<!\w){re.escape(document.focus)}(?!\w)", re.IGNORECASE)
        asked = [q for q, _ in document.pairs if pattern.search(q)]
        plain = synonym.replace("\\", "\\\\")
        text = pattern.sub(plain, chance.choice(asked)) if asked else synonym
        if f" {names.form(document.focus)} " not in f" {names.form(text)} ":
            queries.append(Query(text, document, source))
    chance.shuffle(queries)
    return queries


def _different(document: Document, synonyms: Iterable[str]) -> list[str]:
    """Synonyms that are not the focus itself, another number or spelling of it included."""
    focus = names.form(document.focus)
    return sorted({s for s in synonyms if f" {focus} " not in f" {names.form(s)} "})


def _vocabulary_names(focus: str, vocabulary: Store) -> list[str]:
    found = []
    for entry in vocabulary.by_form(tokens.digest(names.form(focus))):
        if entry.scope <= Scope.EXACT:
            others = vocabulary.names(vocabulary.concept(entry.code))
            found += [name.text for name in others if name.scope <= Scope.EXACT]
    return found


def invented() -> list[str]:
    """Terms that nobody has written about."""
    file = paths.data_dir() / "evaluation" / "invented_terms.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["term"] for line in lines if line.strip()]


def same_focus(documents: Sequence[Document]) -> dict[str, frozenset[str]]:
    """For each path the paths of the documents with the same focus or one of its concepts."""
    by_key: dict[str, set[str]] = {}
    for document in documents:
        for key in (names.form(document.focus), *document.codes):
            by_key.setdefault(key, set()).add(document.path)
    return {
        document.path: frozenset().union(
            *(by_key[key] for key in (names.form(document.focus), *document.codes))
        )
        for document in documents
    }

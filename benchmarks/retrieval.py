"""Which questions by a synonym find the document that they were made from, beside four baselines.

python benchmarks/retrieval.py --data DATA
python benchmarks/retrieval.py --data DATA --embedder minilm.gguf --work FOLDER

DATA holds medquad/*.tar.gz, mondo/ and doid/. The passages are those of all MedQuAD documents,
written as Markdown (the focus and the questions are headings) and indexed as a user's folder is.

How questions are made, with a seed: from each document that has a synonym, one question. The
synonym is drawn from those that the document's file gives or, where it gives none, from MONDO's
and the Disease Ontology's exact names of the focus. One of the document's own questions that hold
the focus is drawn, and the synonym put in its place; where none holds it, the synonym alone is
the question. A synonym that contains the focus is not taken, nor one that differs from it in
number or case alone. Synonyms in the file are not indexed.

Right is a passage of the document that the question was made from. recall@10 is the share of
questions with a right passage among the first ten. Beside it stands the share that is right when
other documents about the same focus (the same title, or one of the same UMLS concepts) count too.

Half of the documents, by the seed, serve to choose our weights and the thresholds of a sure
answer (`tuning`, see benchmarks/retrieval_weights.py); the other half is `held out`. What is
counted but not fitted there (budgets, depths, weights of columns) was looked at on questions of
another seed, which share documents with both halves. Where questions were made from MONDO and
the Disease Ontology, a search with these as vocabulary has their answers: so our figures stand
with and without that vocabulary, and apart for questions whose synonym is from the file.
The baselines get the same text of each passage: title, headings, body.
"""

import argparse
import re
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import retrieval_data as data
from abbreviation_data import Remembering
from medllm.embedding import Embedder, open_embedder
from medllm.retrieval import search, words
from medllm.retrieval.index import Found, Index

TARGET, TARGET_WITH = 0.70, 0.75
Search = Callable[[str], list[str]]
"""Paths of the documents of the first ten passages."""
Halves = Mapping[str, Sequence[data.Query]]


def main() -> None:
    """Prints recall@10 of every way on both halves, and how sure the answers were."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--embedder", type=Path, help="an embedding model as GGUF")
    parser.add_argument("--work", type=Path, help="keeps the index, for another run")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = given.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        embedder = Remembering(open_embedder(given.embedder)) if given.embedder else None
        try:
            _run(given.data, work, embedder)
        finally:
            if embedder:
                embedder.close()


def _run(folder: Path, work: Path, embedder: Embedder | None) -> None:
    prepared = data.prepare(folder, work)
    documents, queries, vocabulary = prepared.documents, prepared.queries, prepared.vocabulary
    halves = data.halves(queries)
    alone, whole = data.index(prepared, cards=False), data.index(prepared, cards=True)
    print(f"{len(documents)} documents, {alone.size():,} passages; {len(queries)} questions, "
          f"{sum(q.source == 'file' for q in queries)} by a synonym of the file")  # fmt: skip
    file = prepared.file(cards=True)
    texts = _texts(prepared.file(cards=False))
    ways: list[tuple[str, Search]] = [
        ("baseline: FTS5, porter, OR, BM25", _fts5(texts)),
        ("baseline: TF-IDF of characters 3 to 5", _characters(texts)),
    ]
    ours = [
        ("ours, with the built-in lexicon", alone),
        ("ours, lexicon and cards", whole),
        ("ours, lexicon, cards, MONDO/DOID", Index.open(file, None, vocabulary)),
    ]
    if embedder:
        made = Index.open(file, embedder)
        made.embed(lambda done, total: print(f"\rembedded {done} of {total}", end="", flush=True))
        meaning = _meaning(file, embedder)
        ways += [
            (f"baseline: {embedder.name} alone", meaning),
            (f"baseline: FTS5 and {embedder.name}, RRF", _fused(_fts5(texts, 100), meaning)),
        ]
        ours += [
            ("ours, lexicon, cards, embedder", made),
            ("ours, all", Index.open(file, embedder, vocabulary)),
        ]
    ways += [(name, _ours(index, prepared.folder)) for name, index in ours]
    same = data.same_focus(documents)
    print(f"\n{'recall@10':42}tuning: all, by file, same focus; held out: the same three")
    reached = {}
    for name, way in ways:
        cells = []
        for part in halves.values():
            found = [(query, set(way(query.text)[:10])) for query in part]
            right = [(query, query.document.path in paths_) for query, paths_ in found]
            cells += [
                _share(ok for _, ok in right),
                _share(ok for query, ok in right if query.source == "file"),
                _share(bool(same[query.document.path] & paths_) for query, paths_ in found),
            ]
        reached[name] = cells[3]
        print(f"{name:42}" + "  ".join(f"{cell:.3f}" for cell in cells), flush=True)
    without = reached["ours, lexicon and cards"]
    print(f"\nwithout an embedder: {without:.3f}, target {TARGET}: {_verdict(without, TARGET)}")
    if embedder:
        with_ = reached["ours, lexicon, cards, embedder"]
        print(
            f"with an embedder: {with_:.3f}, target {TARGET_WITH}: {_verdict(with_, TARGET_WITH)}"
        )
    for name, index in ours[1:]:
        _sure(name, index, halves, prepared.folder)


def _ours(index: Index, folder: Path) -> Search:
    def found(text: str) -> list[str]:
        return [
            passage.file.relative_to(folder).as_posix() if passage.file else ""
            for passage in index.search(text, 10).passages
        ]

    return found


Texts = list[tuple[int, str, str]]
"""Id, path and text of every passage."""


def _texts(file: Path) -> Texts:
    base = sqlite3.connect(file)
    rows = base.execute(
        "SELECT passage.id, path, title || char(10) || headings || char(10) || text "
        "FROM passage JOIN file ON file.id = passage.file ORDER BY passage.id"
    ).fetchall()
    base.close()
    return rows


def _fts5(texts: Texts, depth: int = 10) -> Search:
    base = sqlite3.connect(":memory:")
    base.execute("CREATE VIRTUAL TABLE word USING fts5(text, tokenize='porter unicode61')")
    base.executemany("INSERT INTO word(rowid, text) VALUES(?, ?)", ((n, t) for n, _, t in texts))
    path_of = {number: path for number, path, _ in texts}

    def found(text: str) -> list[str]:
        asked = [w for w in re.findall(r"\w+", text.lower()) if w not in words.STOP_WORDS]
        match = " OR ".join(f'"{word}"' for word in asked)
        rows = base.execute(
            "SELECT rowid FROM word WHERE word MATCH ? ORDER BY bm25(word) LIMIT ?", (match, depth)
        ) if asked else []  # fmt: skip
        return [path_of[row[0]] for row in rows]

    return found


def _characters(texts: Texts) -> Search:
    from sklearn.feature_extraction.text import TfidfVectorizer

    model = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, min_df=2)
    matrix = model.fit_transform([text for _, _, text in texts])

    def found(text: str) -> list[str]:
        scores = (matrix @ model.transform([text]).T).toarray()[:, 0]
        return [texts[i][1] for i in np.argsort(-scores, kind="stable")[:10]]

    return found


def _meaning(file: Path, embedder: Embedder) -> Search:
    """The nearest passages by vectors alone, in exact order."""
    base = sqlite3.connect(file)
    rows = base.execute(
        "SELECT path, scale, numbers FROM vector JOIN passage ON passage.id = vector.passage "
        "JOIN file ON file.id = passage.file WHERE card IS NULL ORDER BY passage.id"
    ).fetchall()
    base.close()
    scales = np.array([row[1] for row in rows], np.float32)[:, None]
    matrix = np.stack([np.frombuffer(row[2], np.int8) for row in rows]).astype(np.float32) * scales

    def found(text: str) -> list[str]:
        scores = matrix @ embedder.embed([text])[0]
        return [rows[i][0] for i in np.argsort(-scores, kind="stable")[:100]]

    return found


def _fused(*ways: Search) -> Search:
    """Reciprocal ranks of passages; a document's passages stand in order, so they keep apart."""

    def found(text: str) -> list[str]:
        scores: dict[tuple[str, int], float] = {}
        for way in ways:
            seen: dict[str, int] = {}
            for rank, path in enumerate(way(text), 1):
                seen[path] = seen.get(path, 0) + 1
                key = (path, seen[path])
                scores[key] = scores.get(key, 0.0) + 1 / (search.DAMPING + rank)
        return [path for path, _ in sorted(scores, key=lambda key: -scores[key])]

    return found


def _sure(name: str, index: Index, halves: Halves, folder: Path) -> None:
    """How sure the answers are: to questions that have one, and to those on invented terms."""
    print(f"\n{name}: thresholds {search.SURE_WORDS} (words), {search.SURE_MEANING} (meaning)")
    invented = [index.search(f"What is {term}?") for term in data.invented()]
    print(f"  of {len(invented)} invented terms, not sure: "
          f"{_share(not found.confident for found in invented):.3f}")  # fmt: skip
    for part, queries in halves.items():
        found = [(query.document.path, index.search(query.text)) for query in queries]
        right = [_has(result, path, folder) for path, result in found]
        sure = [result.confident for _, result in found]
        both = list(zip(sure, right, strict=True))
        print(
            f"  {part}: sure {_share(sure):.3f}, of the right ones "
            f"{_share(s for s, ok in both if ok):.3f}; right where sure "
            f"{_share(ok for s, ok in both if s):.3f}"
        )


def _has(found: Found, path: str, folder: Path) -> bool:
    return any(
        passage.file and passage.file.relative_to(folder).as_posix() == path
        for passage in found.passages
    )


def _share(values: Iterable[bool]) -> float:
    kept = list(values)
    return sum(kept) / len(kept) if kept else float("nan")


def _verdict(value: float, target: float) -> str:
    return "reached" if value >= target else "MISSED"


if __name__ == "__main__":
    main()

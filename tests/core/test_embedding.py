"""Texts as vectors by a tiny BERT in a GGUF, through llama.cpp in its host process."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from medllm import models, paths
from medllm.embedding import TokenEmbedder, open_embedder
from medllm.engines.embedder import LlamaCppEmbedder
from medllm.errors import EngineError, ModelError

from tests.converter import zoo
from tests.converter.conftest import convert
from tests.tiny import write_tiny

TEXTS = (
    "Hypertension is blood pressure that stays too high.",
    "the heart",
    "",
    "β-blockers and the kidneys, the lungs and the heart: a disease of the joints",
    "日本語 xyz",
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bert")
    model = zoo.bert(folder / "tiny-encoder")
    convert(model.folder, folder / "tiny.gguf", quants="f16")
    return folder / "tiny.gguf"


@pytest.fixture(scope="module")
def embedder(file: Path) -> Iterator[TokenEmbedder]:
    found = open_embedder(file)
    yield found
    found.close()


def test_what_it_is(embedder: TokenEmbedder, file: Path) -> None:
    assert (embedder.name, embedder.dimension) == ("tiny-encoder", 256)
    assert embedder.sha256 == models.sha256(file)


def test_one_vector_of_length_1_a_text(embedder: TokenEmbedder) -> None:
    vectors = embedder.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), 256) and vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    likeness = vectors @ vectors.T - np.eye(len(TEXTS))
    assert likeness.max() < 0.9999  # different texts, different vectors
    assert embedder.embed([]).shape == (0, 256)


def test_texts_that_are_computed_together_don_t_change_each_other(embedder: TokenEmbedder) -> None:
    # More than go into one batch, and than go into one message, of all lengths.
    many = [f"{text} {'the lungs ' * (i % 40)}{i}" for i, text in enumerate(TEXTS * 60)]
    together = embedder.embed(many)
    for index in (0, 1, 39, 63, 64, 65, 255, 256, 299):
        alone = embedder.embed([many[index]])[0]
        assert together[index] == pytest.approx(alone, abs=1e-3), many[index]


def test_a_long_text_is_cut_at_the_context(embedder: TokenEmbedder) -> None:
    long, longer = embedder.embed(["the heart " * 600, "the heart " * 6000])
    assert long == pytest.approx(longer, abs=1e-6)
    (tokens,) = embedder.embed_tokens(["the heart " * 600])
    assert tokens.vectors.shape == (512, 256)
    assert tokens.marks.nonzero()[0].tolist() == [0, 511]


def test_the_vectors_of_tokens_make_the_vector_of_the_text(embedder: TokenEmbedder) -> None:
    whole = embedder.embed(TEXTS)
    for text, tokens, vector in zip(TEXTS, embedder.embed_tokens(TEXTS), whole, strict=True):
        ends = [0, len(tokens.marks) - 1]
        assert tokens.marks.nonzero()[0].tolist() == ends, text
        mean = tokens.vectors.mean(axis=0)
        assert vector == pytest.approx(mean / np.linalg.norm(mean), abs=1e-3), text


def test_a_token_of_a_mark_s_name_is_text(embedder: TokenEmbedder) -> None:
    (tokens,) = embedder.embed_tokens(["[SEP] the heart [CLS]"])
    assert tokens.marks.sum() == 2


def test_a_killed_host_starts_again(file: Path) -> None:
    embedder = LlamaCppEmbedder(file)
    before = embedder.embed(TEXTS)
    assert embedder.host_pid
    os.kill(embedder.host_pid, signal.SIGKILL)
    with suppress(EngineError):  # the death may be noticed before the call or within it
        embedder.embed(TEXTS)
    assert np.array_equal(embedder.embed(TEXTS), before)
    embedder.close()
    assert embedder.host_pid is None
    assert np.array_equal(embedder.embed(TEXTS), before)
    embedder.close()


def test_silence_ends_it(file: Path) -> None:
    embedder = LlamaCppEmbedder(file, patience=0.0)
    with pytest.raises(EngineError, match="no sign of life"):
        embedder.embed(TEXTS)
    assert embedder.host_pid is None


def test_what_is_no_embedder_is_refused(file: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no embedding model"):
        open_embedder(write_tiny(tmp_path / "llama.gguf"))
    with pytest.raises(ModelError, match="no model none"):
        open_embedder(tmp_path / "none.gguf")
    (tmp_path / "half.gguf").write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(ModelError, match="truncated"):
        open_embedder(tmp_path / "half.gguf")
    with pytest.raises(ModelError, match="kind bert"):
        models.check(file)


def test_the_user_s_embedder_is_found(file: Path) -> None:
    assert models.find_embedder() is None
    folder = paths.ensure_dir(paths.models_dir())
    write_tiny(folder / "a-llama.gguf")
    (folder / "b-broken.gguf").write_bytes(b"GGUF")
    assert models.find_embedder() is None
    shutil.copy(file, folder / "c-encoder.gguf")
    assert models.find_embedder() == folder / "c-encoder.gguf"

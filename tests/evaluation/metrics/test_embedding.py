"""Likeness by embeddings, against the package bert-score on the same embedder."""

from pathlib import Path

import pytest
from medeval.metrics.embedding import Embedder, bert_score, cosine, open_embedder
from medllm import paths
from medllm.errors import ModelError

from tests.converter.conftest import convert
from tests.evaluation.tiny_bert import write_tiny_bert

ANSWERS = (
    "the heart pumps blood to the lungs and body .",
    "low pressure of the blood",
    "white cell test",
)
REFERENCES = (
    "the heart pumps blood to the body .",
    "high blood pressure",
    "a red cell in the kidney is low in acid , fever and pain",
)
# bert-score 0.3.13: BERTScorer(model_type=FOLDER, num_layers=2, idf=False).score(ANSWERS,
# REFERENCES)[2], FOLDER as write_tiny_bert makes it.
BERT_SCORES = (0.9726489186286926, 0.9309155344963074, 0.9332771301269531)


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    return open_embedder(write_tiny_bert(tmp_path_factory.mktemp("bert")))


def test_bert_score_equals_the_package(embedder: Embedder) -> None:
    mine = [
        bert_score(a, b)
        for a, b in zip(embedder.embed(ANSWERS), embedder.embed(REFERENCES), strict=True)
    ]
    assert mine == pytest.approx(BERT_SCORES, abs=1e-5)


def test_cosine_equals_the_mean_of_transformers_states(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = write_tiny_bert(tmp_path / "bert")
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    vectors = []
    for text in (ANSWERS[0], REFERENCES[0]):
        with torch.no_grad():
            states = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        vectors.append(states.mean(0))
    wanted = torch.nn.functional.cosine_similarity(*vectors, dim=0).item()
    one, other = open_embedder(folder).embed((ANSWERS[0], REFERENCES[0]))
    assert cosine(one, other) == pytest.approx(wanted, abs=1e-5)


def test_a_gguf_of_it_says_the_same(embedder: Embedder, tmp_path: Path) -> None:
    file = tmp_path / "tiny.gguf"
    convert(write_tiny_bert(tmp_path / "bert"), file, quants="f32")
    theirs = open_embedder(file)
    pairs = list(zip(theirs.embed(ANSWERS), theirs.embed(REFERENCES), strict=True))
    # llama.cpp's GELU is the approximation by tanh.
    assert [bert_score(a, b) for a, b in pairs] == pytest.approx(BERT_SCORES, abs=2e-3)
    wanted = zip(embedder.embed(ANSWERS), embedder.embed(REFERENCES), strict=True)
    assert [cosine(a, b) for a, b in pairs] == pytest.approx(
        [cosine(a, b) for a, b in wanted], abs=2e-3
    )
    with pytest.raises(ModelError, match="no embedding model"):
        open_embedder(paths.builtin_model())


def test_an_empty_answer_scores_nothing(embedder: Embedder) -> None:
    empty, text = embedder.embed(["", "blood"])
    assert bert_score(empty, text) == 0.0


def test_no_embedder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no embedder"):
        open_embedder(tmp_path / "nothing.gguf")
    (tmp_path / "broken").mkdir()
    with pytest.raises(ModelError, match="can't be loaded"):
        open_embedder(tmp_path / "broken")

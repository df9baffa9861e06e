"""The gate on tokens of real-world oddities: spaces before text, Phi-3's markers, lost tokens."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from medconvert import conversion, parity, space_prefix
from medconvert.families.family import VocabularyStyle
from medconvert.plan import Options
from medconvert.quants import quant
from medconvert.source import Source, read_json
from medconvert.vocabulary import sentencepiece_file
from medllm.errors import ConversionError

from tests.converter import reference, zoo

_KEY = "tokenizer.ggml.add_space_prefix"
Change = Callable[[dict[str, Any]], object]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The vocabularies are loaded in this process."""
    reference.silence()
    yield
    reference.silence()


def _convert(folder: Path, name: str = "tiny") -> Path:
    kind = quant("q8_0")
    out = folder.with_name("out.gguf")
    options = Options((kind,), verify=False, threads=1, name=name)
    conversion.convert(Source(folder, folder, None, None), conversion.Targets({kind: out}), options)
    return out


def _edit(file: Path, change: Change) -> None:
    content = read_json(file)
    change(content)
    file.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def test_a_mistral_chat_has_one_space_behind_its_markers(tmp_path: Path) -> None:
    """As Mistral's own tokenizer: each piece is given to SentencePiece, which prefixes it."""
    from tokenizers import Tokenizer

    folder = zoo.mistral3(tmp_path / "model").folder
    encode = parity.gguf_encoder(_convert(folder))
    piece = Tokenizer.from_file(str(folder / "tokenizer.json")).encode("the heart")
    assert piece.tokens[0] == "<s>" and piece.tokens[1].startswith("▁")
    begin, end = 3, 4
    ids = encode("<s>[INST] the heart[/INST] the heart</s>", False)
    assert ids == [1, begin, *piece.ids[1:], end, *piece.ids[1:], 2]


def test_a_second_space_in_every_turn_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = zoo.mistral3(tmp_path / "model").folder
    monkeypatch.setattr("medconvert.space_prefix.to_write", lambda *_: True)
    with pytest.raises(ConversionError, match="unlike the model's own tokenizer"):
        parity.check(folder, _convert(folder))


def test_without_a_template_plain_text_counts(tmp_path: Path) -> None:
    folder = zoo.mistral3(tmp_path / "model").folder
    _edit(folder / "tokenizer_config.json", lambda c: c.pop("chat_template"))
    out = _convert(folder)
    assert reference.metadata(out)[_KEY][1] is True
    found = parity.measure(folder, out)
    # All but text that begins with a space, and around an added token, is as transformers has it.
    assert (found["chats"], found["disputed"]) == (0, 2 * 4 + 5)


def test_a_tokenizer_that_prefixes_every_piece_is_written_as_its_settings_say(
    tmp_path: Path,
) -> None:
    tokenizer: dict[str, Any] = {"pre_tokenizer": None}
    settings = {"add_prefix_space": True, "chat_template": "x"}
    assert space_prefix.to_write(tmp_path, tokenizer, settings) is True
    assert space_prefix.to_write(tmp_path, tokenizer, {"chat_template": "x"}) is None
    steps = [{"type": "Split"}, {"type": "Metaspace", "prepend_scheme": "first"}]
    nested = {"pre_tokenizer": {"type": "Sequence", "pretokenizers": steps}}
    assert space_prefix.to_write(tmp_path, nested, settings) is False


def test_names_of_the_sentencepiece_file(tmp_path: Path) -> None:
    plain, unigram = VocabularyStyle(), VocabularyStyle(unigram=True)
    assert sentencepiece_file(tmp_path, plain) is None
    (tmp_path / "spiece.model").touch()
    assert sentencepiece_file(tmp_path, plain) is None
    assert sentencepiece_file(tmp_path, unigram) == tmp_path / "spiece.model"
    (tmp_path / "tokenizer.model.v3").touch()
    assert sentencepiece_file(tmp_path, plain) == tmp_path / "tokenizer.model.v3"
    (tmp_path / "tokenizer.model").touch()
    assert sentencepiece_file(tmp_path, plain) == tmp_path / "tokenizer.model"


def test_phi3_must_be_called_so(tmp_path: Path) -> None:
    folder = zoo.phi3(tmp_path / "model").folder
    with pytest.raises(ConversionError, match="knows by the name alone") as error:
        _convert(folder, "My doctor")
    assert "--name" in error.value.hint
    assert parity.measure(folder, _convert(folder, "My Phi-3 doctor"))["disputed"] == 0


@pytest.mark.parametrize(
    ("name", "file", "change"),
    [
        # A special token that the GGUF knows as ordinary text.
        ("qwen3", "tokenizer.json", lambda c: c["added_tokens"][1].update(content="<|other|>")),
        # Words that are merged in another order.
        ("qwen3", "tokenizer.json", lambda c: c["model"]["merges"].reverse()),
        # A tokenizer that puts no space before a text, where the model has one.
        ("llama2", "tokenizer.json", lambda c: c.update(normalizer=c["normalizer"]["normalizers"][1])),
        # Pieces that have become more likely.
        ("t5", "tokenizer.json", lambda c: [p.__setitem__(1, -9.0) for p in c["model"]["vocab"][3:99]]),
        ("gemma3", "tokenizer.json", lambda c: c["model"]["merges"].reverse()),
    ],
)  # fmt: skip
def test_another_tokenizer_is_noticed(tmp_path: Path, name: str, file: str, change: Change) -> None:
    folder = zoo.MAKERS[name](tmp_path / "model").folder
    out = _convert(folder)
    assert "error" not in parity.measure(folder, out)
    _edit(folder / file, change)
    assert "unlike the model's own tokenizer" in parity.measure(folder, out)["error"]


def test_a_tokenizer_of_another_kind_is_refused(tmp_path: Path) -> None:
    folder = zoo.llama2(tmp_path / "model").folder
    zoo.t5(tmp_path / "t5")
    (folder / "tokenizer.model").write_bytes((tmp_path / "t5" / "spiece.model").read_bytes())
    with pytest.raises(ConversionError, match="of the kind unigram") as error:
        _convert(folder)
    assert error.value.hint.endswith("it must be bpe.")

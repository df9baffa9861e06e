"""Byte identity with the standard route: peft's merge, llama.cpp's converter and quantizer.

Takes minutes, and 80 MB from the package registry, kept in pytest's cache:

    pytest tests/converter/test_reference.py --reference

With `--record` the hashes of what the standard route makes of the zoo are written to
reference_hashes.json, for the everyday run. MEDLLM_LLAMA_CPP may name an unpacked
folder of llama.cpp's sources instead, where sentencepiece and protobuf are installed.
"""

import json
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from medconvert import conversion
from medconvert.plan import Options
from medconvert.quants import quant
from medconvert.source import Source
from medllm import files

from tests.converter import models, reference, registry, zoo
from tests.converter.registry import Converter
from tests.converter.test_families import HASHES, QUANTS, convert_both, model_name, quantizer

pytestmark = pytest.mark.slow
NAME = "tiny-medical-2M-instruct-v1.5"
_LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 256,
}


def bpe(folder: Path, style: str = "mini", **settings: Any) -> Path:
    size = len(models.bpe_tokenizer(folder, style))
    return models.make_model(folder, vocabulary=size + 12, **settings)


def sentencepiece(folder: Path, **settings: Any) -> Path:
    size = models.sentencepiece_tokenizer(folder)
    ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    return models.make_model(folder, vocabulary=size + 5, **{**ids, **settings})


def mini(folder: Path) -> Path:
    return bpe(folder, tie_word_embeddings=True)


def llama3(folder: Path) -> Path:
    base = bpe(folder, "llama3", dtype="bfloat16", rope_parameters=_LLAMA3_ROPE)
    (base / "generation_config.json").write_text(
        json.dumps({"temperature": 0.6, "top_p": 0.9, "top_k": 40, "repetition_penalty": 1.1})
    )
    (base / "README.md").write_text(
        "---\nlicense: apache-2.0\nlanguage:\n- en\nbase_model: some/Thing-1B\n"
        "datasets:\n- one/set\ntags:\n- medical\n---\nA card.\n"
    )
    return base


def llama2(folder: Path) -> Path:
    """With a config.json as Llama 2's: no head_dim, rope_theta at the top, a scaling."""
    base = sentencepiece(folder, dtype="float16", num_key_value_heads=8, attention_bias=True)
    config = json.loads((base / "config.json").read_text())
    del config["head_dim"], config["rope_parameters"]
    config |= {"rope_theta": 20000.0, "rope_scaling": {"type": "linear", "factor": 2.0}}
    (base / "config.json").write_text(json.dumps(config))
    return base


def mistral(folder: Path) -> Path:
    base = sentencepiece(folder, architecture="Mistral", dtype="bfloat16", head_dim=64, shard="1MB")
    assert len(list(base.glob("*.safetensors"))) > 1
    return base


@pytest.fixture(scope="module")
def converter(request: pytest.FixtureRequest) -> Converter:
    """llama.cpp's own."""
    if found := registry.named():
        return found
    if not request.config.getoption("--reference"):
        pytest.skip("without --reference, only recorded hashes are compared")
    assert request.config.cache
    return registry.fetched(request.config.cache.mkdir("llama-cpp"))


@pytest.fixture(scope="module")
def hashes(request: pytest.FixtureRequest) -> Iterator[dict[str, dict[str, str]]]:
    """Collects the hashes of the standard route's files; written with --record."""
    found: dict[str, dict[str, str]] = {}
    yield found
    if request.config.getoption("--record") and len(found) == 2 * len(zoo.MAKERS):
        content = {
            "llama-cpp-python": version("llama-cpp-python"),
            "quantizer": quantizer(),
            "files": found,
        }
        HASHES.write_text(json.dumps(content, indent=2) + "\n")


@pytest.mark.parametrize("tuned", [False, True], ids=["plain", "lora"])
@pytest.mark.parametrize("name", zoo.MAKERS)
def test_the_zoo(
    tmp_path: Path,
    converter: Converter,
    hashes: dict[str, dict[str, str]],
    name: str,
    tuned: bool,
) -> None:
    made = convert_both(tmp_path, name, tuned=tuned)
    if name == "mistral3":  # the one key on which we differ, see medconvert.space_prefix
        settings = made.model.folder / "tokenizer_config.json"
        content = json.loads(settings.read_text())
        settings.write_text(json.dumps({**content, "add_prefix_space": False}))
    adapter = tmp_path / "adapter" if tuned else None
    merged = reference.merge(made.model.folder, adapter, tmp_path / "merged" / model_name(name))
    pre = zoo.PRE_TOKENIZERS.get(name, "")
    f16 = reference.convert(converter, merged, model_name(name), tmp_path / "their.gguf", pre)
    case = hashes.setdefault(f"{name}-lora" if tuned else name, {})
    for kind in QUANTS:
        theirs = reference.quantize(f16, tmp_path / f"their.{kind}.gguf", kind)
        assert reference.metadata(made.files[kind]) == reference.metadata(theirs)
        assert made.files[kind].read_bytes() == theirs.read_bytes()
        case[kind] = files.sha256(theirs)


_LORA: dict[str, Any] = {}
_PATTERNS = {"alpha_pattern": {"q_proj": 64}, "rank_pattern": {"layers.1.mlp.up_proj": 3}}


@pytest.mark.parametrize(
    ("make", "pre", "adapter"),
    [
        pytest.param(mini, "gpt-2", None, id="bpe-tied-f32"),
        pytest.param(mini, "gpt-2", _LORA, id="bpe-tied-f32-lora"),
        pytest.param(mini, "gpt-2", {"use_rslora": True}, id="bpe-tied-f32-rslora"),
        pytest.param(llama3, "llama-bpe", None, id="bpe-llama3-bf16"),
        pytest.param(llama3, "llama-bpe", _LORA | _PATTERNS, id="bpe-llama3-bf16-patterns"),
        pytest.param(llama3, "llama-bpe", {"use_dora": True}, id="bpe-llama3-bf16-dora"),
        pytest.param(llama2, "", None, id="spm-llama2-f16"),
        pytest.param(llama2, "", _LORA, id="spm-llama2-f16-lora"),
        pytest.param(mistral, "", None, id="spm-mistral-shards"),
        pytest.param(mistral, "", _LORA, id="spm-mistral-shards-lora"),
    ],
)
def test_same_bytes_as_the_standard_route(
    tmp_path: Path,
    converter: Converter,
    make: Callable[[Path], Path],
    pre: str,
    adapter: dict[str, Any] | None,
) -> None:
    base = make(tmp_path / NAME)
    tuned = None if adapter is None else models.make_adapter(tmp_path / "a", base, **adapter)
    source = Source(tuned or base, base, tuned, None)
    kind = quant("q4_k_m")
    options = Options((kind,), match_peft=True, verify=False, threads=2, name=NAME)
    ours = tmp_path / "ours.gguf"
    conversion.convert(source, conversion.Targets({kind: ours}), options)

    merged = reference.merge(base, tuned, tmp_path / "merged" / NAME)
    if tuned:  # PEFT writes neither; the base's card is not a card of the tuned model
        (merged / "README.md").unlink(missing_ok=True)
    f16 = reference.convert(converter, merged, NAME, tmp_path / "f16.gguf", pre)
    theirs = reference.quantize(f16, tmp_path / "theirs.gguf")

    expected, got = reference.metadata(theirs), reference.metadata(ours)
    if tuned and (base / "README.md").exists():
        assert got.pop("general.license")[1] == "apache-2.0"
        assert got.pop("general.languages")[1] == ["en"]
    assert list(got) == list(expected)
    assert got == expected
    expected_tensors, got_tensors = reference.tensors(theirs), reference.tensors(ours)
    assert list(got_tensors) == list(expected_tensors)
    assert [n for n, t in got_tensors.items() if t != expected_tensors[n]] == []
    if not tuned:  # without our own keys the whole file is the same
        assert ours.read_bytes() == theirs.read_bytes()

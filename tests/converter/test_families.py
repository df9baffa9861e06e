"""Each family: the recorded bytes of the standard route, the same tokens, the same thoughts.

The models are made by rule (`zoo`), so their conversions are the same on every machine.
What llama.cpp's own converter and quantizer make of them is recorded as SHA-256 in
reference_hashes.json; `pytest tests/converter/test_reference.py --reference` compares
with that converter itself, and with `--record` writes the file anew.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from medconvert import conversion, ggml, parity
from medconvert.families import family_of
from medconvert.plan import Options
from medconvert.quants import quant
from medconvert.runtime import Runtime
from medconvert.source import Source, read_json
from medllm import files
from medllm.errors import ConversionError

from tests.converter import reference, weights, zoo
from tests.converter.encoder_decoder import EncoderDecoder

HASHES = Path(__file__).with_name("reference_hashes.json")
QUANTS = ("f16", "q4_k_m")
Q4_K, Q6_K = 12, 14
DECODERS = [name for name in zoo.MAKERS if "t5" not in name and name != "bert"]
Recorded = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Made:
    """A model of the zoo, and what it was converted into."""

    model: zoo.Model
    files: dict[str, Path]

    @property
    def f16(self) -> Path:
        """Every weight of the zoo fits f16, so nothing is rounded in this one."""
        return self.files["f16"]


def model_name(name: str) -> str:
    """llama.cpp knows Phi-3's tokenizer by the name of the model."""
    return "tiny-phi-3-model" if name.startswith("phi3") else "tiny-model"


def convert_both(folder: Path, name: str, *, tuned: bool, match_peft: bool = True) -> Made:
    """Makes a model of the zoo and converts it as f16 and as q4_k_m."""
    model = zoo.MAKERS[name](folder / model_name(name))
    adapter = model.adapter(folder / "adapter") if tuned else None
    kinds = tuple(quant(kind) for kind in QUANTS)
    out = {kind: folder / f"{kind.name}.gguf" for kind in kinds}
    options = Options(kinds, match_peft=match_peft, verify=False, threads=2, name=model_name(name))
    source = Source(adapter or model.folder, model.folder, adapter, None)
    conversion.convert(source, conversion.Targets(out), options)
    return Made(model, {kind.name: file for kind, file in out.items()})


def quantizer() -> str:
    """What this machine's build of ggml makes of some numbers: its last bits may differ."""
    numbers = weights.values("quantizer", (64, 512), 0) * np.linspace(0.1, 1.9, 512, dtype="f4")
    packed = ggml.quantize(Q4_K, numbers).tobytes() + ggml.quantize(Q6_K, numbers).tobytes()
    return hashlib.sha256(packed).hexdigest()


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """A `Runtime` takes its log's callback with it when it goes, so it is set anew each time."""
    reference.silence()
    yield
    reference.silence()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Made]:
    """Each model of the zoo, converted once."""
    done: dict[str, Made] = {}

    def get(name: str) -> Made:
        if name not in done:
            done[name] = convert_both(tmp_path_factory.mktemp(name), name, tuned=False)
        return done[name]

    return get


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    """Hashes of what the standard route made."""
    content: Recorded = json.loads(HASHES.read_text())
    return content


def _check(made: Made, recorded: Recorded, case: str) -> None:
    expected = recorded["files"][case]
    assert files.sha256(made.f16) == expected["f16"]
    if quantizer() == recorded["quantizer"]:
        assert files.sha256(made.files["q4_k_m"]) == expected["q4_k_m"]
        return
    # A build of ggml that rounds otherwise: the f16 file, quantized by it, is the standard route.
    again = reference.quantize(made.f16, made.f16.with_name("again.gguf"))
    assert made.files["q4_k_m"].read_bytes() == again.read_bytes()


@pytest.mark.parametrize("name", zoo.MAKERS)
def test_the_recorded_bytes(made: Callable[[str], Made], recorded: Recorded, name: str) -> None:
    _check(made(name), recorded, name)


@pytest.mark.parametrize("name", zoo.MAKERS)
def test_the_recorded_bytes_with_an_adapter(tmp_path: Path, recorded: Recorded, name: str) -> None:
    _check(convert_both(tmp_path, name, tuned=True), recorded, f"{name}-lora")


# Of Qwen the decomposed text, of Llama 2 those with a space at the front; of Mistral 0.3, whose
# chats count, all that begin with a word.
_DISPUTED = {"llama2": 12, "mistral3": 81, "qwen2": 2, "qwen3": 2, "gemma2": 1, "gemma3": 1}


@pytest.mark.parametrize("name", zoo.MAKERS)
def test_the_same_tokens(made: Callable[[str], Made], name: str) -> None:
    found = parity.measure(made(name).model.folder, made(name).files["q4_k_m"])
    assert "error" not in found
    assert found["disputed"] == _DISPUTED.get(name, 0)
    assert found["texts"] > 85
    template = read_json(made(name).model.folder / "tokenizer_config.json").get("chat_template")
    assert found["chats"] == (0 if template is None else 2 if "raise" in template else 3)


def _hugging_face(made: Made, kind: str) -> Any:
    import torch
    import transformers

    cls = getattr(transformers, f"AutoModelFor{kind}")
    return cls.from_pretrained(made.model.folder, dtype=torch.float32).eval()


def _greedy(logits: Callable[[list[int]], Any], start: list[int], count: int) -> list[int]:
    ids = list(start)
    for _ in range(count):
        ids.append(int(np.argmax(logits(ids)[-1])))
    return ids[len(start) :]


@pytest.mark.parametrize("name", DECODERS)
def test_it_thinks_as_transformers_does(made: Callable[[str], Made], name: str) -> None:
    import torch

    original = _hugging_face(made(name), "CausalLM")

    def theirs(ids: list[int]) -> Any:
        with torch.no_grad():
            return original(torch.tensor([ids])).logits[0].numpy()

    prompt = [int(n) % 300 + 3 for n in weights.whole("prompt", 24, 10_000) + 10_000]
    # Longer than the sliding windows, and than the context before a scaling.
    text = [int(n) % 300 + 3 for n in weights.whole("text", 300, 10_000) + 10_000]
    with Runtime(made(name).f16, 512) as runtime:
        expected, got = theirs(text), runtime.read(text)[:, : original.config.vocab_size]
        # The key-value cache and the products are of half precision in llama.cpp.
        assert np.abs(got - expected).max() < 0.02 * expected.std()
        if name == "phi3-long":
            return  # which factors count is decided by the text there, and by the context here
        assert _greedy(runtime.read, prompt, 12) == _greedy(theirs, prompt, 12)


def test_the_short_factors_of_phi3_are_for_short_contexts(made: Callable[[str], Made]) -> None:
    import torch

    text = [int(n) % 300 + 3 for n in weights.whole("text", 96, 10_000) + 10_000]
    with torch.no_grad():
        expected = _hugging_face(made("phi3-long"), "CausalLM")(torch.tensor([text])).logits[0]
    with Runtime(made("phi3-long").f16, 256) as runtime:
        difference = np.abs(runtime.read(text) - expected.numpy()).max()
    assert difference < 0.02 * float(expected.std())


@pytest.mark.parametrize("name", ["t5", "flan-t5"])
def test_t5_says_what_transformers_says(made: Callable[[str], Made], name: str) -> None:
    import torch
    from transformers import AutoTokenizer

    original = _hugging_face(made(name), "Seq2SeqLM")
    tokenizer = AutoTokenizer.from_pretrained(made(name).model.folder)
    with EncoderDecoder(made(name).f16) as ours:
        for question in ("What is hypertension?", "the heart and the lungs", "a"):
            ids = tokenizer(question)["input_ids"]
            assert ours.tokenize(question) == ids
            expected = original.generate(
                torch.tensor([ids]), max_new_tokens=16, do_sample=False, num_beams=1
            )[0].tolist()
            assert ours.greedy(ids, 16) == expected[1:]


def test_norms_keep_their_precision_but_where_the_standard_route_rounds(tmp_path: Path) -> None:
    norm = "model.norm.weight"
    got = {}
    for match in (True, False):
        made = convert_both(tmp_path / str(match), "gemma2", tuned=False, match_peft=match)
        got[match] = reference.tensors(made.f16)["output_norm.weight"][2]
    values = weights.values(norm, (256,), 0.0)
    assert got[False] == (values + 1).tobytes()
    assert got[True] == (values + 1).astype(np.float16).astype(np.float32).tobytes()


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("llama2", lambda c: c.update(rope_scaling={"type": "dynamic", "factor": 2}), "dynamic"),
        ("qwen2", lambda c: c.update(rope_scaling={"type": "yarn", "factor": 4}), "original_max"),
        ("qwen2", lambda c: c.update(quantization_config={"bits": 4}), "quantized already"),
        ("gemma2", lambda c: c.update(attn_logit_softcapping=None), "turns attn_logit_softcap"),
        ("gemma2", lambda c: c.update(query_pre_attn_scalar=100), "computes with 64"),
        ("gemma2", lambda c: c.update(rope_theta=5e5), "computes with 10000"),
        ("gemma3", lambda c: c.update(layer_types=["full_attention"] * 2), "layer_types"),
        ("gemma3", lambda c: c.update(use_bidirectional_attention=True), "both directions"),
        ("phi3-long", lambda c: c["rope_scaling"]["long_factor"].pop(), "16 each"),
        ("t5", lambda c: c.update(feed_forward_proj="gated-silu"), "gated-silu"),
        ("t5", lambda c: c.update(relative_attention_max_distance=64), "max_distance=64"),
        ("t5", lambda c: c.pop("d_kv"), "lacks d_kv"),
    ],
)
def test_what_llama_cpp_would_compute_otherwise_is_refused(
    made: Callable[[str], Made], name: str, change: Change, said: str
) -> None:
    config = read_json(made(name).model.folder / "config.json")
    family_of(config)
    change(config)
    with pytest.raises(ConversionError, match=said):
        family_of(config)


def test_an_unknown_tensor_is_refused(made: Callable[[str], Made]) -> None:
    for name in ("qwen3", "t5"):
        family = family_of(read_json(made(name).model.folder / "config.json"))
        with pytest.raises(ConversionError, match=r"holds the tensor model.layers.0.odd"):
            family.place("model.layers.0.odd.weight")


def test_t5_keeps_one_embedding_of_three(made: Callable[[str], Made]) -> None:
    family = family_of(read_json(made("t5").model.folder / "config.json"))
    names = ("encoder.embed_tokens.weight", "shared.weight", "decoder.embed_tokens.weight")
    places = [family.place(name) for name in names]
    assert [place and place.name for place in places] == ["token_embd.weight", None, None]
    assert family.place(names[0]) == places[0]

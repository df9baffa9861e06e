"""Hugging Face weights, adapters, encoder-decoders, CTranslate2 and ONNX on tiny real models."""

from pathlib import Path
from typing import Any

import pytest
from medeval.engines import spec as specs
from medeval.engines.huggingface import HuggingFaceEngine
from medllm import prompts
from medllm.engines.protocol import Done, Engine, Request, Scorer, Token
from medllm.errors import ModelError, UsageError

from tests.evaluation.engines.tiny_models import write_adapter, write_llama, write_t5

CHAT = prompts.messages("What is gout ?", None)
SHORT = Request(CHAT, max_tokens=12)


def said(engine: Engine, request: Request = SHORT) -> tuple[str, Done]:
    *tokens, done = engine.stream(request)
    assert isinstance(done, Done)
    return "".join(t.text for t in tokens if isinstance(t, Token)), done


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_t5(tmp_path_factory.mktemp("t5"))


def generated(folder: Path, adapter: Path | None = None) -> tuple[Any, Any, Any]:
    """Tokens by transformers' own generate."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    if adapter:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, str(adapter)).eval()
    prompt = tokenizer.apply_chat_template(list(CHAT), tokenize=False, add_generation_prompt=True)
    ids = tokenizer(prompt, return_tensors="pt", add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        out = model.generate(ids, max_new_tokens=12, do_sample=False, pad_token_id=0)
        logits = model(ids).logits[0, -1]
    return tokenizer, out[0, ids.shape[1] :].tolist(), torch.log_softmax(logits.float(), -1)


def test_greedy_tokens_and_scores_equal_transformers(llama: Path) -> None:
    tokenizer, tokens, logprobs = generated(llama)
    engine = specs.parse(f"hf:{llama}").open(60, 1)
    text, done = said(engine)
    assert text == tokenizer.decode(tokens, skip_special_tokens=True)
    assert done.tokens <= 12
    assert isinstance(engine, HuggingFaceEngine)
    words = ("blood", "heart", "acid")
    ids = [tokenizer(w, add_special_tokens=False)["input_ids"][0] for w in words]
    assert engine.score(CHAT, words) == pytest.approx([logprobs[i].item() for i in ids], abs=1e-4)


def test_an_adapter_changes_the_answer_as_peft_does(llama: Path, tmp_path: Path) -> None:
    adapter = write_adapter(llama, tmp_path / "adapter")
    tokenizer, tokens, _ = generated(llama, adapter)
    engine = specs.parse(f"hf:{llama}+{adapter}").open(60, 1)
    text, _ = said(engine)
    assert text == tokenizer.decode(tokens, skip_special_tokens=True)
    assert text != said(HuggingFaceEngine(llama))[0]
    identities = {specs.parse(s).identity() for s in (f"hf:{llama}", f"hf:{llama}+{adapter}")}
    assert len(identities) == 2


def test_the_same_seed_gives_the_same_draw(llama: Path) -> None:
    engine = HuggingFaceEngine(llama)
    warm = [Request(CHAT, max_tokens=12, temperature=1.0, seed=s) for s in (1, 1, 2, 3)]
    texts = [said(engine, request)[0] for request in warm]
    assert texts[0] == texts[1]
    assert len(set(texts)) > 1


def test_t5_equals_transformers_and_ctranslate2(t5: Path, tmp_path: Path) -> None:
    ctranslate2 = pytest.importorskip("ctranslate2")
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(t5)
    model = AutoModelForSeq2SeqLM.from_pretrained(t5).eval()
    ids = tokenizer(CHAT[0]["content"], return_tensors="pt")["input_ids"]
    with torch.no_grad():
        out = model.generate(ids, max_new_tokens=12, do_sample=False, num_beams=1)[0].tolist()
    wanted = tokenizer.decode(out, skip_special_tokens=True)
    assert said(HuggingFaceEngine(t5))[0] == wanted
    ctranslate2.converters.TransformersConverter(str(t5)).convert(str(tmp_path / "ct2"))
    tokenizer.save_pretrained(tmp_path / "ct2")
    engine = specs.parse(f"ct2:{tmp_path / 'ct2'}").open(60, 1)
    assert said(engine)[0] == wanted
    words = ("blood", "heart pressure")
    scorer: Scorer = engine  # type: ignore[assignment]
    assert scorer.score(CHAT, words) == pytest.approx(
        HuggingFaceEngine(t5).score(CHAT, words), abs=1e-3
    )


def test_onnx_with_a_cache_equals_transformers(llama: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    from tests.evaluation.engines.tiny_models import export_onnx

    folder = export_onnx(llama, tmp_path / "onnx")
    engine = specs.parse(f"onnx:{folder}").open(60, 1)
    assert said(engine)[0] == said(HuggingFaceEngine(llama))[0]
    scorer: Scorer = engine  # type: ignore[assignment]
    words = ("blood", "heart pressure")
    assert scorer.score(CHAT, words) == pytest.approx(
        HuggingFaceEngine(llama).score(CHAT, words), abs=1e-3
    )


def test_what_is_no_model_is_one_line(llama: Path, tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("x")
    for spec, told in (
        (f"hf:{tmp_path}", "holds no config.json"),
        (f"ct2:{tmp_path}", "holds no model.bin"),
        (f"onnx:{tmp_path}", "holds no model.onnx"),
        (f"hf:{llama}+{tmp_path}", "holds no adapter"),
    ):
        with pytest.raises(ModelError, match=told):
            specs.parse(spec).open(60, 1).load()
    with pytest.raises(UsageError, match="too long"):
        said(HuggingFaceEngine(llama), Request(prompts.messages("blood " * 300, None)))

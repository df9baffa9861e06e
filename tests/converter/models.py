"""Tiny real models and adapters: hidden 256, two layers, a tokenizer trained on a few sentences."""

import json
import struct
from pathlib import Path
from typing import Any

from medllm.prompts import ASSISTANT, MINI_TEMPLATE, USER

SENTENCES = [
    "Hypertension is blood pressure that stays too high.",
    "What is hypertension? Explain the medical term: Myocardial infarction (MI).",
    "The heart, the lungs and the kidneys: β-blockers, 5 µg, HbA1c 7.35-7.45, SpO₂ 98%.",
    "**Definition**: a disease of the joints.\n\n**Explanation**: it comes about slowly.",
    "It's the patient's; they're told to see a doctor 1 12 123 1234 times.",
    "cholecystojejunostomy, pseudopseudohypoparathyroidism, otorhinolaryngology",
    "日本語の医療用語 гипертония naïve café Sjögren's",
] * 4
LLAMA3_REGEX = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA2_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} "
    "[/INST]{% else %} {{ m['content'] }} {{ eos_token }}{% endif %}{% endfor %}"
)
SHAPE: dict[str, Any] = {
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "max_position_embeddings": 512,
}
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def bpe_tokenizer(folder: Path, style: str = "mini") -> Any:
    """Saves a byte-level BPE tokenizer: `mini` as medtrain makes it, `llama3`, or `odd`."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    llama3 = style == "llama3"
    bpe = Tokenizer(models.BPE(ignore_merges=llama3))
    if style == "mini":
        bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    else:
        regex = LLAMA3_REGEX if llama3 else r"\p{L}+|\p{N}+|\s+|[^\s\p{L}\p{N}]+"
        bpe.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(regex), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
    bpe.decoder = decoders.ByteLevel()
    specials = ["<s>", "</s>", "<pad>", USER, ASSISTANT]
    bpe.train_from_iterator(
        SENTENCES,
        trainers.BpeTrainer(
            vocab_size=500,
            special_tokens=specials,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    bpe.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 0)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        additional_special_tokens=[USER, ASSISTANT],
        chat_template=MINI_TEMPLATE,
        model_max_length=512,
    )
    tokenizer.save_pretrained(folder)
    return tokenizer


def sentencepiece_tokenizer(folder: Path) -> int:
    """Saves a Llama 2 tokenizer: tokenizer.model, tokenizer.json and settings; returns its size.

    The pieces are learned by the tokenizers library; the SentencePiece file is
    written by hand, with the order of learning as scores, as SentencePiece does.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.Metaspace("▁", "always")
    learner.train_from_iterator(SENTENCES, trainers.BpeTrainer(vocab_size=300, show_progress=False))
    learned = sorted(learner.get_vocab(), key=learner.get_vocab().__getitem__)
    characters = [piece for piece in learned if len(piece) == 1]
    words = [piece for piece in learned if len(piece) > 1]
    pieces = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]
    pieces += [(f"<0x{byte:02X}>", 0.0, 6) for byte in range(256)]
    pieces += [(word, -float(i), 1) for i, word in enumerate([*words, *characters])]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.model").write_bytes(sentencepiece_model(pieces))
    (folder / "tokenizer.json").write_text(json.dumps(_llama2_json(pieces)))
    settings = {
        "tokenizer_class": "LlamaTokenizer",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "add_bos_token": True,
        "add_eos_token": False,
        "legacy": True,
        "chat_template": LLAMA2_TEMPLATE,
        "added_tokens_decoder": {
            str(i): {"content": text, "special": True, "normalized": False}
            for i, (text, _score, _kind) in enumerate(pieces[:3])
        },
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return len(pieces)


def sentencepiece_model(
    pieces: list[tuple[str, float, int]],
    kind: int = 2,
    characters: bytes = b"",
    *,
    dummy_prefix: bool = True,
    single_spaces: bool = False,
) -> bytes:
    """A SentencePiece ModelProto: pieces, trainer_spec, normalizer_spec."""
    message = b""
    for text, score, piece_kind in pieces:
        body = _bytes(1, text.encode()) + b"\x15" + struct.pack("<f", score)
        message += _bytes(1, body + b"\x18" + _varint(piece_kind))
    # model_type, and byte_fallback (field 35)
    trainer = b"\x18" + _varint(kind) + _varint(35 << 3) + bytes([kind == 2])
    # name, precompiled_charsmap, add_dummy_prefix, remove_extra_whitespaces, escape_whitespaces
    normalizer = _bytes(1, b"by rule") + (_bytes(2, characters) if characters else b"")
    normalizer += bytes([0x18, dummy_prefix, 0x20, single_spaces, 0x28, 1])
    return message + _bytes(2, trainer) + _bytes(3, normalizer)


def _llama2_json(pieces: list[tuple[str, float, int]]) -> dict[str, Any]:
    ranks = {text: -score for text, score, kind in pieces if kind == 1}
    merges = [
        (rank, text[:i], text[i:])
        for text, rank in ranks.items()
        for i in range(1, len(text))
        if text[:i] in ranks and text[i:] in ranks
    ]
    added = [
        {"id": i, "content": text, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": True}
        for i, (text, _score, _kind) in enumerate(pieces[:3])
    ]  # fmt: skip
    start = {"SpecialToken": {"id": "<s>", "type_id": 0}}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Prepend", "prepend": "▁"},
                {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
            ],
        },
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [start, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [
                start,
                {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "<s>", "type_id": 1}},
                {"Sequence": {"id": "B", "type_id": 1}},
            ],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
        },
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0},
            ],
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "<unk>",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": {text: i for i, (text, _score, _kind) in enumerate(pieces)},
            "merges": [[left, right] for _rank, left, right in sorted(merges)],
        },
    }


def make_model(
    folder: Path, *, architecture: str = "Llama", vocabulary: int, dtype: str = "float32",
    seed: int = 0, shard: str = "50GB", **settings: Any,
) -> Path:  # fmt: skip
    """Saves a random model of two layers."""
    import torch
    import transformers

    torch.manual_seed(seed)
    config = getattr(transformers, f"{architecture}Config")(
        vocab_size=vocabulary, **{"bos_token_id": 0, "eos_token_id": 1, **SHAPE, **settings}
    )
    model = getattr(transformers, f"{architecture}ForCausalLM")(config)
    # Norms of exactly 1 would hide an exchange of two of them.
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name:
                weight.add_(0.1 * torch.randn_like(weight))
    model.to(getattr(torch, dtype)).save_pretrained(folder, max_shard_size=shard)
    return folder


def make_adapter(folder: Path, base: Path, *, seed: int = 1, **settings: Any) -> Path:
    """Saves a random LoRA adapter on every linear layer, one that changes the weights."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_pretrained(base)
    chosen = {"r": 8, "lora_alpha": 16, "target_modules": LINEAR, "task_type": "CAUSAL_LM"}
    tuned = get_peft_model(model, LoraConfig(**{**chosen, **settings}))
    with torch.no_grad():
        for name, weight in tuned.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.02)
            elif "magnitude" in name:
                weight.mul_(1 + 0.1 * torch.rand_like(weight))
    tuned.save_pretrained(folder)
    return folder


def mini(folder: Path, **settings: Any) -> Path:
    """A base with the mini tokenizer, tied embeddings."""
    size = len(bpe_tokenizer(folder))
    return make_model(folder, vocabulary=size, **{"tie_word_embeddings": True, **settings})


def _bytes(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])

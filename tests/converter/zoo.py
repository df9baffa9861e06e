"""A tiny model folder of each family, made by rule, with config.json as such models have it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.converter import vocabularies, weights
from tests.converter.models import LLAMA2_TEMPLATE, LLAMA3_REGEX
from tests.converter.vocabularies import CONTROL, QWEN2_REGEX, UNKNOWN, USER_DEFINED, added
from tests.converter.weights import Shapes

_SHAPE: dict[str, Any] = {
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-5,
    "hidden_act": "silu",
}
_LINEAR = tuple("q_proj k_proj v_proj o_proj gate_proj up_proj down_proj".split())
_FUSED = ("qkv_proj", "o_proj", "gate_up_proj", "down_proj")
_LLAMA_SPECIAL = [("<unk>", 0.0, UNKNOWN), ("<s>", 0.0, CONTROL), ("</s>", 0.0, CONTROL)]
_GEMMA_SPECIAL = [
    ("<pad>", 0.0, CONTROL), ("<eos>", 0.0, CONTROL), ("<bos>", 0.0, CONTROL),
    ("<unk>", 0.0, UNKNOWN), ("<start_of_turn>", 0.0, USER_DEFINED),
    ("<end_of_turn>", 0.0, USER_DEFINED), ("\n\n", 0.0, USER_DEFINED),
    ("▁▁", 3.0, USER_DEFINED), ("▁▁▁▁", 2.0, USER_DEFINED), ("▁▁▁", 1.0, USER_DEFINED),
]  # fmt: skip
LLAMA3_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n"
    "{{ m['content'] | trim }}<|eot_id|>{% endfor %}{% if add_generation_prompt %}"
    "<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
MISTRAL3_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'system' %}"
    "{{ raise_exception('no system') }}{% elif m['role'] == 'user' %}[INST] {{ m['content'] }}"
    "[/INST]{% else %} {{ m['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
)
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
GEMMA_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'system' %}"
    "{{ raise_exception('no system') }}{% endif %}<start_of_turn>"
    "{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n{{ m['content'] | trim }}"
    "<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
PHI3_TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


@dataclass(frozen=True, slots=True)
class Model:
    """A folder that was made."""

    folder: Path
    shapes: Shapes
    targets: tuple[str, ...]

    def adapter(self, folder: Path) -> Path:
        """A LoRA adapter on every linear layer."""
        # PEFT's class for causal models would take neither an encoder-decoder nor an encoder.
        causal = "model.embed_tokens.weight" in self.shapes
        task = {} if causal else {"task_type": None}
        return weights.write_adapter(folder, self.folder, self.shapes, self.targets, **task)


def llama2(folder: Path) -> Model:
    """f16, an older config.json: no head_dim, a linear scaling at the top."""
    settings = {
        "tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>",
        "unk_token": "<unk>", "add_bos_token": True, "add_eos_token": False, "legacy": True,
        "chat_template": LLAMA2_TEMPLATE,
    }  # fmt: skip
    size = vocabularies.sentencepiece(
        folder, vocabularies.pieces(_LLAMA_SPECIAL), settings, prefix="each",
        added=[added(i, text) for i, (text, _s, _k) in enumerate(_LLAMA_SPECIAL)],
    )  # fmt: skip
    rope = {"rope_theta": 20000.0, "rope_scaling": {"type": "linear", "factor": 2.0}}
    ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    return _model(folder, "Llama", size + 5, {**rope, **ids}, dtype="F16")


def llama3(folder: Path) -> Model:
    """bf16, tied, with the scaling of Llama 3.1."""
    special = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>"]
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|begin_of_text|>",
        "eos_token": "<|eot_id|>", "chat_template": LLAMA3_TEMPLATE,
    }  # fmt: skip
    size = vocabularies.byte_level(
        folder, [*special, "<|eot_id|>"], settings, regex=LLAMA3_REGEX, whole=True, begin=special[0]
    )
    scaling = {
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 256,
    }  # fmt: skip
    changes = {"rope_theta": 500000.0, "rope_scaling": scaling, "tie_word_embeddings": True}
    return _model(folder, "Llama", size + 3, {**changes, "head_dim": 32}, dtype="BF16")


def mistral3(folder: Path) -> Model:
    """As Mistral-7B-Instruct-v0.3: control tokens of the SentencePiece file, legacy off; shards."""
    special = [*_LLAMA_SPECIAL, ("[INST]", 0.0, CONTROL), ("[/INST]", 0.0, CONTROL)]
    settings = {
        "tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>",
        "unk_token": "<unk>", "add_bos_token": True, "add_eos_token": False, "legacy": False,
        "add_prefix_space": True, "chat_template": MISTRAL3_TEMPLATE,
    }  # fmt: skip
    size = vocabularies.sentencepiece(
        folder, vocabularies.pieces(special), settings, prefix="first",
        added=[added(i, text) for i, (text, _s, _k) in enumerate(special)],
    )  # fmt: skip
    changes = {"rope_theta": 1000000.0, "sliding_window": None, "head_dim": 32}
    return _model(folder, "Mistral", size, changes, dtype="BF16", shards=3)


def qwen2(folder: Path) -> Model:
    """As Qwen2.5 for long texts (yarn): biases on Q, K and V, characters composed, no BOS."""
    size = _qwen_vocabulary(folder)
    scaling = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128}
    changes = {"rope_theta": 1000000.0, "use_sliding_window": False, "sliding_window": 512}
    changes["rope_scaling"] = scaling
    rows = {"q_proj": 256, "k_proj": 128, "v_proj": 128}
    biases = {
        f"model.layers.{i}.self_attn.{name}.bias": (n,) for i in (0, 1) for name, n in rows.items()
    }
    return _model(folder, "Qwen2", size + 4, changes, more=biases, dtype="BF16")


def qwen3(folder: Path) -> Model:
    """Tied, with norms on Q and K and heads of a size of their own."""
    size = _qwen_vocabulary(folder)
    norms = {
        f"model.layers.{i}.self_attn.{name}.weight": (64,)
        for i in (0, 1)
        for name in ("q_norm", "k_norm")
    }
    changes = {"rope_theta": 1000000.0, "head_dim": 64, "tie_word_embeddings": True}
    return _model(folder, "Qwen3", size, changes, more=norms)


def gemma2(folder: Path) -> Model:
    """f16, so that adding one to a norm is rounded."""
    changes = {
        "model_type": "gemma2", "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0,
        "sliding_window": 128,
    }  # fmt: skip
    return _gemma(folder, "Gemma2", changes, {}, "F16")


def gemma3(folder: Path) -> Model:
    """bf16, with norms on Q and K, two rotary frequencies and a linear scaling of one."""
    changes = {
        "model_type": "gemma3_text", "rope_theta": 1000000.0, "rope_local_base_freq": 10000.0,
        "rope_scaling": {"rope_type": "linear", "factor": 8.0}, "sliding_window": 128,
        "sliding_window_pattern": 6,
    }  # fmt: skip
    norms = {
        f"model.layers.{i}.self_attn.{name}.weight": (64,)
        for i in (0, 1)
        for name in ("q_norm", "k_norm")
    }
    return _gemma(folder, "Gemma3", changes, norms, "BF16")


def phi3(folder: Path, *, long: bool = False) -> Model:
    """As Phi-3-mini: fused Q, K and V, fused gate and up, white space dropped behind markers."""
    size = len(vocabularies.pieces(_LLAMA_SPECIAL))
    markers = ["<|endoftext|>", "<|assistant|>", "<|system|>", "<|end|>", "<|user|>"]
    tokens = [added(i, text) for i, (text, _s, _k) in enumerate(_LLAMA_SPECIAL)]
    tokens[2]["rstrip"] = True
    tokens += [added(size + i, t, rstrip=t != markers[0]) for i, t in enumerate(markers)]
    settings = {
        "tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "<|endoftext|>",
        "unk_token": "<unk>", "pad_token": "<|endoftext|>", "add_bos_token": False,
        "add_eos_token": False, "legacy": False, "chat_template": PHI3_TEMPLATE,
    }  # fmt: skip
    vocabularies.sentencepiece(
        folder, vocabularies.pieces(_LLAMA_SPECIAL), settings, prefix="each", added=tokens, begin=()
    )
    factors = {
        "type": "longrope",
        "long_factor": [1 + i / 4 for i in range(16)],
        "short_factor": [1 + i / 64 for i in range(16)],
    }
    changes = {
        "rope_theta": 10000.0, "rope_scaling": factors if long else None, "sliding_window": 511,
        "original_max_position_embeddings": 256 if long else 512, "eos_token_id": size,
        "bos_token_id": 1, "pad_token_id": size,
    }  # fmt: skip
    shapes = _around(size + 11, tied=False)
    for i in (0, 1):
        at = f"model.layers.{i}."
        shapes |= {
            f"{at}self_attn.qkv_proj.weight": (512, 256),
            f"{at}self_attn.o_proj.weight": (256, 256),
            f"{at}mlp.gate_up_proj.weight": (1024, 256),
            f"{at}mlp.down_proj.weight": (256, 512),
            f"{at}input_layernorm.weight": (256,),
            f"{at}post_attention_layernorm.weight": (256,),
        }
    _config(folder, "Phi3ForCausalLM", "phi3", size + 11, changes)
    weights.write(folder, shapes, "BF16")
    return Model(folder, shapes, _FUSED)


def t5(folder: Path, *, flan: bool = False) -> Model:
    """T5 1.0: tied, plain ReLU. Flan-T5: an output of its own, gated GELU."""
    settings = {
        "tokenizer_class": "T5Tokenizer", "eos_token": "</s>", "unk_token": "<unk>",
        "pad_token": "<pad>",
    }  # fmt: skip
    size = vocabularies.unigram(folder, settings, 20) + 8
    config = {
        "architectures": ["T5ForConditionalGeneration"], "model_type": "t5", "vocab_size": size,
        "d_model": 256, "d_kv": 32, "d_ff": 512, "num_layers": 2, "num_decoder_layers": 2,
        "num_heads": 8, "relative_attention_num_buckets": 32, "layer_norm_epsilon": 1e-6,
        "n_positions": 512, "feed_forward_proj": "gated-gelu" if flan else "relu",
        "tie_word_embeddings": not flan, "decoder_start_token_id": 0, "pad_token_id": 0,
        "eos_token_id": 1, "is_encoder_decoder": True,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    shapes: Shapes = {"shared.weight": (size, 256)}
    inner = ("wi_0", "wi_1") if flan else ("wi",)
    for stack in ("encoder", "decoder"):
        for i in (0, 1):
            at = f"{stack}.block.{i}.layer"
            attentions = ["SelfAttention", "EncDecAttention"][: 1 + (stack == "decoder")]
            for number, attention in enumerate(attentions):
                for part in "qkvo":
                    shapes[f"{at}.{number}.{attention}.{part}.weight"] = (256, 256)
                shapes[f"{at}.{number}.layer_norm.weight"] = (256,)
            if i == 0:
                shapes[f"{at}.0.SelfAttention.relative_attention_bias.weight"] = (32, 8)
            last = f"{at}.{len(attentions)}"
            shapes |= {f"{last}.DenseReluDense.{name}.weight": (512, 256) for name in inner}
            shapes[f"{last}.DenseReluDense.wo.weight"] = (256, 512)
            shapes[f"{last}.layer_norm.weight"] = (256,)
        shapes[f"{stack}.final_layer_norm.weight"] = (256,)
    shapes |= {"lm_head.weight": (size, 256)} if flan else {}
    weights.write(folder, shapes)
    return Model(folder, shapes, ("q", "k", "v", "o", *inner, "wo"))


def bert(folder: Path, *, lowercase: bool = True, letters: str = "") -> Model:
    """As MiniLM: a sentence encoder, its vectors the mean of its tokens'."""
    settings = {
        "tokenizer_class": "BertTokenizer", "do_lower_case": lowercase, "cls_token": "[CLS]",
        "sep_token": "[SEP]", "unk_token": "[UNK]", "pad_token": "[PAD]", "mask_token": "[MASK]",
    }  # fmt: skip
    size = vocabularies.word_pieces(folder, settings, letters) + 7
    config = {
        "architectures": ["BertModel"], "model_type": "bert", "vocab_size": size,
        "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2,
        "num_attention_heads": 8, "max_position_embeddings": 512, "type_vocab_size": 2,
        "layer_norm_eps": 1e-12, "hidden_act": "gelu", "pad_token_id": 0,
        "position_embedding_type": "absolute",
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    steps = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {
            "idx": 1,
            "name": "1",
            "path": "1_Pooling",
            "type": "sentence_transformers.models.Pooling",
        },
    ]
    (folder / "modules.json").write_text(json.dumps(steps))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({"word_embedding_dimension": 256, "pooling_mode_mean_tokens": True})
    )
    shapes: Shapes = {
        "embeddings.word_embeddings.weight": (size, 256),
        "embeddings.position_embeddings.weight": (512, 256),
        "embeddings.token_type_embeddings.weight": (2, 256),
    }
    rows = {"attention.self.query": 256, "attention.self.key": 256, "attention.self.value": 256}
    rows |= {"attention.output.dense": 256, "intermediate.dense": 512, "output.dense": 256}
    linear = {
        f"encoder.layer.{i}.{name}": (count, 512 if name == "output.dense" else 256)
        for i in (0, 1)
        for name, count in rows.items()
    } | {"pooler.dense": (256, 256)}
    for name, shape in linear.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    layers = [f"encoder.layer.{i}.{part}output" for i in (0, 1) for part in ("attention.", "")]
    for name in ("embeddings", *layers):
        shapes |= {f"{name}.LayerNorm.weight": (256,), f"{name}.LayerNorm.bias": (256,)}
    weights.write(folder, shapes)
    return Model(folder, shapes, ("query", "key", "value"))


MAKERS: dict[str, Callable[[Path], Model]] = {
    "llama2": llama2,
    "llama3": llama3,
    "mistral3": mistral3,
    "qwen2": qwen2,
    "qwen3": qwen3,
    "gemma2": gemma2,
    "gemma3": gemma3,
    "phi3": phi3,
    "phi3-long": lambda folder: phi3(folder, long=True),
    "t5": t5,
    "flan-t5": lambda folder: t5(folder, flan=True),
}
PRE_TOKENIZERS = {"llama3": "llama-bpe", "qwen2": "qwen2", "qwen3": "qwen2", "bert": "jina-v2-en"}


def _qwen_vocabulary(folder: Path) -> int:
    settings = {
        "tokenizer_class": "Qwen2Tokenizer", "bos_token": None, "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>", "unk_token": None, "add_bos_token": False,
        "add_prefix_space": False, "chat_template": CHATML,
    }  # fmt: skip
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    return vocabularies.byte_level(folder, special, settings, regex=QWEN2_REGEX, normalizer="NFC")


def _gemma(folder: Path, name: str, changes: dict[str, Any], more: Shapes, dtype: str) -> Model:
    settings = {
        "tokenizer_class": "GemmaTokenizer", "bos_token": "<bos>", "eos_token": "<eos>",
        "pad_token": "<pad>", "unk_token": "<unk>", "add_bos_token": True, "add_eos_token": False,
        "chat_template": GEMMA_TEMPLATE,
    }  # fmt: skip
    tokens = [added(i, text, special=i < 6) for i, (text, _s, _k) in enumerate(_GEMMA_SPECIAL)]
    size = vocabularies.sentencepiece(
        folder, vocabularies.pieces(_GEMMA_SPECIAL), settings, prefix="none", added=tokens,
        begin=("<bos>",),
    )  # fmt: skip
    shared = {
        "head_dim": 64, "query_pre_attn_scalar": 64, "tie_word_embeddings": True,
        "hidden_activation": "gelu_pytorch_tanh", "bos_token_id": 2, "eos_token_id": 1,
        "pad_token_id": 0,
    }  # fmt: skip
    norms = {
        f"model.layers.{i}.{which}_feedforward_layernorm.weight": (256,)
        for i in (0, 1)
        for which in ("pre", "post")
    }
    return _model(
        folder, name, size + 3, {**shared, **changes}, more={**more, **norms}, dtype=dtype, norm=0.0
    )


def _around(size: int, *, tied: bool) -> Shapes:
    shapes: Shapes = {"model.embed_tokens.weight": (size, 256), "model.norm.weight": (256,)}
    return shapes if tied else {**shapes, "lm_head.weight": (size, 256)}


def _model(
    folder: Path, name: str, size: int, changes: dict[str, Any], *, more: Shapes | None = None,
    **how: Any,
) -> Model:  # fmt: skip
    """A decoder with the layers of a Llama, and `more`."""
    head = changes.get("head_dim", 32)
    q, kv = 8 * head, 4 * head
    shapes = _around(size, tied=bool(changes.get("tie_word_embeddings")))
    for i in (0, 1):
        at = f"model.layers.{i}."
        shapes |= {
            f"{at}self_attn.q_proj.weight": (q, 256),
            f"{at}self_attn.k_proj.weight": (kv, 256),
            f"{at}self_attn.v_proj.weight": (kv, 256),
            f"{at}self_attn.o_proj.weight": (256, q),
            f"{at}mlp.gate_proj.weight": (512, 256),
            f"{at}mlp.up_proj.weight": (512, 256),
            f"{at}mlp.down_proj.weight": (256, 512),
            f"{at}input_layernorm.weight": (256,),
            f"{at}post_attention_layernorm.weight": (256,),
        }
    shapes |= more or {}
    _config(folder, f"{name}ForCausalLM", name.lower(), size, changes)
    weights.write(folder, shapes, **how)
    return Model(folder, shapes, _LINEAR)


def _config(folder: Path, architecture: str, kind: str, size: int, changes: dict[str, Any]) -> None:
    config = {
        "architectures": [architecture], "model_type": kind, "vocab_size": size,
        "tie_word_embeddings": False, **_SHAPE, **changes,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))

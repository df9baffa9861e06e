"""Tiny Llama and T5 models with random weights, as Hugging Face folders."""

import shutil
from pathlib import Path
from typing import Any

WORDS = (
    "<pad> </s> <unk> <s> what is gout ? blood heart pressure acid the a of in body pain joint "
    "high low red white cell kidney fever and or not with for user assistant".split()
)
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %} {{ m['role'] }} {{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %} assistant {% endif %}"
)


def _tokenizer(folder: Path, template: str | None, end: bool) -> None:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if end:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="$A </s>", special_tokens=[("</s>", 1)]
        )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<pad>", bos_token="<s>",
        eos_token="</s>", chat_template=template,
    ).save_pretrained(folder)  # fmt: skip


def write_llama(folder: Path) -> Path:
    """A Llama of two layers."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(1)
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(WORDS), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=128,
            initializer_range=0.6, bos_token_id=3, eos_token_id=1, pad_token_id=0,
        )
    ).save_pretrained(folder)  # fmt: skip
    _tokenizer(folder, TEMPLATE, end=False)
    return folder


def write_byte_llama(folder: Path) -> Path:
    """A Llama whose tokens are bytes, so that it reads any text; it has no chat template."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    bytes_ = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate(["<s>", "</s>", *bytes_])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="</s>"
    ).save_pretrained(folder)
    torch.manual_seed(4)
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(vocabulary), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=4096,
            initializer_range=0.4, bos_token_id=0, eos_token_id=1, pad_token_id=1,
        )
    ).save_pretrained(folder)  # fmt: skip
    return folder


def write_t5(folder: Path) -> Path:
    """A T5 of two layers on either side."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    torch.manual_seed(2)
    T5ForConditionalGeneration(
        T5Config(
            vocab_size=len(WORDS), d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4,
            decoder_start_token_id=0, eos_token_id=1, pad_token_id=0, initializer_factor=4.0,
        )
    ).save_pretrained(folder)  # fmt: skip
    _tokenizer(folder, None, end=True)
    return folder


def write_adapter(llama: Path, folder: Path) -> Path:
    """A LoRA adapter with random weights on both sides."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(3)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(llama),
        LoraConfig(r=4, lora_alpha=32, target_modules=["q_proj", "v_proj", "down_proj"]),
    )
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.5)
    model.save_pretrained(folder)
    return folder


def export_onnx(llama: Path, folder: Path) -> Path:
    """The Llama as a graph with a key and value cache, and its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, DynamicCache

    class Cached(torch.nn.Module):
        def __init__(self, model: Any) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any, *past: Any) -> Any:
            cache = DynamicCache()
            for layer in range(len(past) // 2):
                cache.update(past[2 * layer], past[2 * layer + 1], layer)
            start = past[0].shape[2]
            positions = torch.arange(input_ids.shape[1])[None] + start
            out = self.model(
                input_ids=input_ids, attention_mask=attention_mask, position_ids=positions,
                past_key_values=cache, use_cache=True,
            )  # fmt: skip
            kept = out.past_key_values
            return (out.logits, *[x for layer in kept.layers for x in (layer.keys, layer.values)])

    folder.mkdir()
    model = AutoModelForCausalLM.from_pretrained(llama, attn_implementation="eager").eval()
    past = tuple(torch.zeros(1, 2, 3, 8) for _ in range(4))
    names = [f"{layer}.{part}" for layer in range(2) for part in ("key", "value")]
    inputs = ["input_ids", "attention_mask", *(f"past_key_values.{n}" for n in names)]
    outputs = ["logits", *(f"present.{n}" for n in names)]
    torch.onnx.export(
        Cached(model), (torch.ones(1, 2, dtype=torch.long), torch.ones(1, 5, dtype=torch.long), *past),
        folder / "model.onnx", input_names=inputs, output_names=outputs, dynamo=False,
        dynamic_axes={
            "input_ids": {1: "n"}, "attention_mask": {1: "all"},
            **{f"past_key_values.{n}": {2: "past"} for n in names},
        },
    )  # fmt: skip
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "config.json"):
        if (llama / name).exists():
            shutil.copy(llama / name, folder)
    return folder

"""Tiny random models in real GGUF, for tests: a Llama of two layers with a vocabulary of bytes."""

from pathlib import Path

import numpy as np
from medllm.prompts import ASSISTANT, MINI_TEMPLATE, USER

BOS, EOS = "<|bos|>", "<|eos|>"
SPECIALS = (BOS, EOS, USER, ASSISTANT)
# Tokens of several bytes, so that what is written can straddle a heading's edges.
MERGES = ("Ċ Ċ", "* *", "ĊĊ **", "** D", "** N", "Ġ t", "h e", "Ġt he", "a n", "** :", ". ĊĊ")


def byte_letters() -> list[str]:
    """The visible character that stands for each byte in a byte-level BPE vocabulary (GPT-2)."""
    visible = {*range(33, 127), *range(161, 173), *range(174, 256)}
    spare = iter(range(256, 512))
    return [chr(byte if byte in visible else next(spare)) for byte in range(256)]


def write_tiny(
    file: Path,
    seed: int = 0,
    *,
    template: str | None = MINI_TEMPLATE,
    context: int = 2048,
    hidden: int = 256,
    layers: int = 2,
    heads: int = 4,
    kv_heads: int = 2,
    feed_forward: int = 512,
    eos_bias: float = 1.0,
    spread: float = 1.0,
    recipe: str = "",
) -> Path:
    """Writes a model with random weights.

    Args:
        file: where to.
        seed: of the weights.
        eos_bias: factor on the output row of the end token: large means that it
            is sampled often, where it is likely at all.
        spread: factor on the output matrix: large means sharp distributions.
        recipe: `medllm.recipe`; "mini" makes a model that is known to know the cards only.
    """
    import gguf

    random = np.random.default_rng(seed)
    tokens = [*byte_letters(), *(m.replace(" ", "") for m in MERGES), *SPECIALS]
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_name("tiny")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    if recipe:
        writer.add_string("medllm.recipe", recipe)
    writer.add_context_length(context)
    writer.add_embedding_length(hidden)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(feed_forward)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(hidden // heads)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    kinds = [gguf.TokenType.NORMAL] * (len(tokens) - len(SPECIALS))
    writer.add_token_types([*kinds, *[gguf.TokenType.CONTROL] * len(SPECIALS)])
    writer.add_token_merges(list(MERGES))
    writer.add_add_bos_token(True)
    writer.add_bos_token_id(tokens.index(BOS))
    writer.add_eos_token_id(tokens.index(EOS))
    if template is not None:
        writer.add_chat_template(template)

    def matrix(name: str, rows: int, columns: int, scale: float = 1.0) -> None:
        values = random.standard_normal((rows, columns)) * scale / np.sqrt(columns)
        if name == "output":
            values[tokens.index(EOS)] *= eos_bias
        writer.add_tensor(f"{name}.weight", values.astype(np.float16))

    matrix("token_embd", len(tokens), hidden, 16.0)
    matrix("output", len(tokens), hidden, spread)
    writer.add_tensor("output_norm.weight", np.ones(hidden, np.float32))
    head = hidden // heads
    for layer in range(layers):
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{norm}.weight", np.ones(hidden, np.float32))
        matrix(f"blk.{layer}.attn_q", hidden, hidden)
        matrix(f"blk.{layer}.attn_k", kv_heads * head, hidden)
        matrix(f"blk.{layer}.attn_v", kv_heads * head, hidden)
        matrix(f"blk.{layer}.attn_output", hidden, hidden)
        matrix(f"blk.{layer}.ffn_gate", feed_forward, hidden)
        matrix(f"blk.{layer}.ffn_up", feed_forward, hidden)
        matrix(f"blk.{layer}.ffn_down", hidden, feed_forward)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file

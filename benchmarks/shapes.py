"""Random GGUF models of a given shape, for the benchmarks: quick to write, of no other use."""

from pathlib import Path

import numpy as np
from medllm import card, prompts

_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_SPECIALS = ("<|bos|>", "<|eos|>", "<|system|>", "<|user|>", "<|assistant|>")


def write_1b(file: Path, layers: int = 16, vocabulary: int = 32768) -> Path:
    """Writes a model shaped as Llama 3.2 1B (hidden 2048, 16 layers) with random Q4_0 weights.

    Its vocabulary holds the words of the system prompt and the headings whole,
    and besides bytes and made-up words.
    """
    import gguf

    hidden, feed_forward, heads, kv_heads = 2048, 8192, 32, 8
    tokens, merges = _vocabulary(vocabulary)
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_name("random-1b")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_0)
    writer.add_context_length(4096)
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
    normal = len(tokens) - len(_SPECIALS)
    kinds = [gguf.TokenType.NORMAL] * normal + [gguf.TokenType.CONTROL] * len(_SPECIALS)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(tokens.index("<|bos|>"))
    writer.add_eos_token_id(tokens.index("<|eos|>"))
    writer.add_chat_template(_TEMPLATE)

    narrow = hidden // heads * kv_heads
    matrices = {"token_embd": (vocabulary, hidden), "output": (vocabulary, hidden)}
    norms = ["output_norm"]
    for layer in range(layers):
        block = f"blk.{layer}."
        norms += [block + "attn_norm", block + "ffn_norm"]
        matrices |= {
            block + "attn_q": (hidden, hidden),
            block + "attn_k": (narrow, hidden),
            block + "attn_v": (narrow, hidden),
            block + "attn_output": (hidden, hidden),
            block + "ffn_gate": (feed_forward, hidden),
            block + "ffn_up": (feed_forward, hidden),
            block + "ffn_down": (hidden, feed_forward),
        }
    q4_0 = gguf.GGMLQuantizationType.Q4_0
    for name in norms:
        writer.add_tensor_info(f"{name}.weight", (hidden,), np.dtype(np.float32), hidden * 4)
    for name, (rows, columns) in matrices.items():
        shape = (rows, columns // 32 * 18)
        writer.add_tensor_info(
            f"{name}.weight", shape, np.dtype(np.uint8), rows * columns // 32 * 18, q4_0
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    random = np.random.default_rng(0)
    for _ in norms:
        writer.write_tensor_data(np.ones(hidden, np.float32))
    for rows, columns in matrices.values():
        writer.write_tensor_data(_random_q4_0(random, rows, columns))
    writer.close()
    return file


def _random_q4_0(
    random: np.random.Generator, rows: int, columns: int
) -> "np.ndarray[tuple[int, int], np.dtype[np.uint8]]":
    """Blocks of a 16-bit scale and 32 numbers of 4 bits, of variance about 1/columns."""
    blocks = np.empty((rows, columns // 32, 18), np.uint8)
    blocks[..., 2:] = np.frombuffer(random.bytes(rows * columns // 2), np.uint8).reshape(
        rows, columns // 32, 16
    )
    blocks[..., :2] = np.array([1 / (4.6 * np.sqrt(columns))], np.float16).view(np.uint8)
    return blocks.reshape(rows, -1)


def _vocabulary(size: int) -> tuple[list[str], list[str]]:
    visible = {*range(33, 127), *range(161, 173), *range(174, 256)}
    spare = iter(range(256, 512))
    letters = [chr(byte if byte in visible else next(spare)) for byte in range(256)]
    text = f"{prompts.SYSTEM} {' '.join(card.HEADINGS)} What is Explain Define Tell me about"
    tokens, merges = list(letters), []
    for word in ["ĊĊ", "**", "Ġ**", *text.split()]:
        for spelled in (word, "Ġ" + word):
            plain = spelled.strip("*:.,")
            for length in range(2, len(plain) + 1):
                if plain[:length] not in tokens and all(c in letters for c in plain):
                    tokens.append(plain[:length])
                    merges.append(f"{plain[: length - 1]} {plain[length - 1]}")
    made_up = (
        f"Ġ{a}{b}{c}{d}"
        for a in "bcdfghklmnprstvz"
        for b in "aeiou"
        for c in "bdfgklmnprstvxz"
        for d in "aeiouwyqjhcAEIOUWYQJHCBDFGKLMNP"
    )
    known = set(tokens)
    while len(tokens) < size - len(_SPECIALS):
        word = next(made_up)
        if word not in known:
            tokens.append(word)
    return [*tokens, *_SPECIALS], merges

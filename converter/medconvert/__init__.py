"""medconvert: base + adapter -> one quantized, verified GGUF, in one pass."""

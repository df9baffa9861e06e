"""A tiny BERT with weights from a fixed formula, so that its figures are the same everywhere."""

from pathlib import Path

import numpy as np

WORDS = """
[PAD] [UNK] [CLS] [SEP] [MASK] the a of in is and to blood heart pressure high low sugar
pump pumps body lungs kidney acid joint pain fever . , cell red white test
""".split()


def write_tiny_bert(folder: Path) -> Path:
    """Writes config, tokenizer and safetensors of a BERT of two layers."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordPiece({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]",
        sep_token="[SEP]", mask_token="[MASK]", model_max_length=128,
    ).save_pretrained(folder)  # fmt: skip
    model = BertModel(
        BertConfig(
            vocab_size=len(WORDS), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
            intermediate_size=64, max_position_embeddings=128,
        )
    )  # fmt: skip
    random = np.random.RandomState(7)
    with torch.no_grad():
        for name, weight in sorted(model.named_parameters()):
            if name.endswith("LayerNorm.weight"):
                weight.fill_(1.0)
            else:
                weight.copy_(torch.from_numpy(random.randn(*weight.shape).astype("f4") * 0.3))
    model.save_pretrained(folder, safe_serialization=True)
    return folder

"""The mini model's own tokenizer: byte-level BPE, so that no text is unknown to it."""

from collections.abc import Iterable
from typing import Any

from medllm.prompts import ASSISTANT, MINI_TEMPLATE, USER

BOS, EOS, PAD = "<s>", "</s>", "<pad>"
SPECIALS = (BOS, EOS, PAD, USER, ASSISTANT)


def train(texts: Iterable[str], vocabulary: int, context: int) -> Any:
    """Learns the vocabulary and returns a PreTrainedTokenizerFast with the chat template.

    Args:
        texts: what it learns from.
        vocabulary: number of tokens, specials and the 256 bytes included.
        context: longest text in tokens.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocabulary,
            special_tokens=list(SPECIALS),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    bpe.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A {BOS} $B", special_tokens=[(BOS, 0)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        additional_special_tokens=[USER, ASSISTANT],
        chat_template=MINI_TEMPLATE,
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )

"""Log-probabilities of given beginnings, through llama.cpp's real host."""

import math
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from medllm import prompts
from medllm.engines.llamacpp import LlamaCppEngine
from medllm.engines.protocol import Request, Token
from medllm.errors import EngineError, UsageError

CHAT = prompts.messages("What is gout?", None)


def test_the_greedy_token_scores_what_it_was_streamed_with(engine: LlamaCppEngine) -> None:
    first = next(e for e in engine.stream(Request(CHAT, max_tokens=3)) if isinstance(e, Token))
    assert engine.score(CHAT, (first.text,))[0] == pytest.approx(first.logprob, abs=2e-3)


def test_all_first_tokens_share_one_probability(engine: LlamaCppEngine) -> None:
    scores = engine.score(CHAT, tuple(chr(c) for c in range(32, 127)))
    assert all(s is not None and s < 0 for s in scores)
    assert 0 < math.fsum(math.exp(s) for s in scores if s is not None) < 1


def test_more_tokens_multiply(engine: LlamaCppEngine) -> None:
    longer = engine.score(CHAT, ("Q", "QX", "QXZ"))
    assert longer[0] is not None and longer[1] is not None and longer[2] is not None
    assert longer[0] > longer[1] > longer[2]
    again = engine.score(CHAT, ("QXZ",))
    assert again[0] == pytest.approx(longer[2], abs=2e-3)


def test_scores_equal_llama_cpp_alone(engine: LlamaCppEngine, tiny_model: Path) -> None:
    from llama_cpp import Llama

    alone = Llama(str(tiny_model), n_ctx=512, n_threads=1, verbose=False)
    prompt = f"<|bos|>{prompts.USER}What is gout?{prompts.ASSISTANT}"
    alone.eval(alone.tokenize(prompt.encode(), add_bos=False, special=True))
    pointer = alone._ctx.get_logits()
    logits = np.ctypeslib.as_array(pointer, (alone.n_vocab(),)).astype(np.float64)
    logprobs = logits - np.log(np.exp(logits - logits.max()).sum()) - logits.max()
    letters = ("Q", "a", "7")
    wanted = [logprobs[alone.tokenize(x.encode(), add_bos=False)[0]] for x in letters]
    assert engine.score(CHAT, letters) == pytest.approx(wanted, abs=1e-3)


def test_bad_requests_are_refused_and_the_host_lives_on(engine: LlamaCppEngine) -> None:
    engine.load()
    pid = engine.host_pid
    with pytest.raises(UsageError, match="empty"):
        engine.score(CHAT, ("",))
    with pytest.raises(UsageError, match="too long"):
        engine.score(prompts.messages("x" * 5000, None), ("A",))
    assert engine.host_pid == pid
    assert engine.score(CHAT, ("A",))[0] is not None


def test_a_host_killed_while_it_scores_is_told_and_starts_again(big_model: Path) -> None:
    engine = LlamaCppEngine(big_model)
    engine.load()
    pid = engine.host_pid
    assert pid is not None
    threading.Thread(target=lambda: (time.sleep(0.2), os.kill(pid, signal.SIGKILL))).start()
    try:
        with pytest.raises(EngineError):
            engine.score(prompts.messages("x" * 3900, None), ("A",))
        assert engine.score(CHAT, ("A",))[0] is not None
    finally:
        engine.close()

"""Ollama's and OpenAI-compatible servers, on loopback with the mini model behind them."""

import threading
import time
from collections.abc import Iterator

import pytest
from medllm import paths, prompts
from medllm.engines.llamacpp import LlamaCppEngine
from medllm.engines.ollama import OllamaEngine
from medllm.engines.openai import OpenAIEngine
from medllm.engines.protocol import Done, Request, Token
from medllm.engines.remote import RemoteEngine, first_tokens
from medllm.errors import EngineError, ModelError, UsageError

from tests.model_server import ModelServer

CHAT = prompts.messages("What is gout?", None)
SHORT = Request(CHAT, max_tokens=24)


@pytest.fixture(scope="module")
def running() -> Iterator[ModelServer]:
    with ModelServer(paths.builtin_model()) as server:
        yield server


@pytest.fixture
def server(running: ModelServer) -> Iterator[ModelServer]:
    running.requests.clear()
    yield running
    running.before_answer, running.break_after, running.text = lambda: None, 0, None


@pytest.fixture(params=["ollama", "openai"])
def engine(request: pytest.FixtureRequest, server: ModelServer) -> RemoteEngine:
    if request.param == "ollama":
        return OllamaEngine("mini", server.url, patience=20)
    return OpenAIEngine(f"{server.url}/v1", patience=20)


def text_of(engine: RemoteEngine | LlamaCppEngine, request: Request) -> tuple[str, Done]:
    *tokens, done = engine.stream(request)
    assert isinstance(done, Done)
    return "".join(t.text for t in tokens if isinstance(t, Token)), done


def test_the_same_greedy_answer_as_without_a_server(engine: RemoteEngine) -> None:
    alone = LlamaCppEngine(paths.builtin_model())
    try:
        wanted, alone_done = text_of(alone, SHORT)
        first = next(e for e in alone.stream(SHORT) if isinstance(e, Token))
    finally:
        alone.close()
    said, done = text_of(engine, SHORT)
    assert said == wanted
    assert (done.reason, done.tokens) == (alone_done.reason, alone_done.tokens) == ("length", 24)
    token = next(e for e in engine.stream(SHORT) if isinstance(e, Token))
    assert token.logprob == pytest.approx(first.logprob, abs=1e-3)


def test_scores_of_listed_first_tokens(engine: RemoteEngine) -> None:
    alone = LlamaCppEngine(paths.builtin_model())
    try:
        wanted = alone.score(CHAT, ("**",))[0]
    finally:
        alone.close()
    scores = engine.score(CHAT, ("**", "\u4e00"))
    assert scores[0] == pytest.approx(wanted, abs=1e-3)
    assert scores[1] is None


def test_what_ollama_tells_of_its_model(server: ModelServer) -> None:
    info = OllamaEngine("mini", server.url).load()
    assert (info.name, info.sha256, info.context) == ("mini:latest", "d" * 64, 1024)
    assert (info.quantization, info.architecture) == ("Q4_K_M", "llama")


def test_a_model_that_is_not_there_is_named_with_those_that_are(server: ModelServer) -> None:
    with pytest.raises(ModelError, match=r"no model other:latest; it has: mini:latest") as told:
        OllamaEngine("other", server.url).load()
    assert told.value.hint == "Fetch it with: ollama pull other:latest"
    with pytest.raises(ModelError, match="no model other; it has: mini:latest"):
        OpenAIEngine(f"{server.url}/v1", "other").load()


def test_no_server_is_one_line_with_how_to_start_it() -> None:
    with pytest.raises(EngineError, match=r"No Ollama listens at http://127.0.0.1:9\.") as told:
        OllamaEngine("mini", "http://127.0.0.1:9").load()
    assert "ollama serve" in told.value.hint


@pytest.mark.parametrize("url", ["http://example.org/v1", "https://127.0.0.1/v1", "file:///etc"])
def test_questions_do_not_leave_this_machine(url: str) -> None:
    with pytest.raises(UsageError, match="not an http address on this machine"):
        OpenAIEngine(url)


def test_a_server_that_hangs_is_left_after_the_patience(
    server: ModelServer, engine: RemoteEngine
) -> None:
    engine.load()
    engine._server.patience = 0.5
    server.before_answer = lambda: time.sleep(3)
    started = time.monotonic()
    with pytest.raises(EngineError, match="no sign of life"):
        list(engine.stream(SHORT))
    assert time.monotonic() - started < 2


def test_a_connection_that_breaks_is_told(server: ModelServer, engine: RemoteEngine) -> None:
    engine.load()
    server.break_after = 3
    with pytest.raises(EngineError, match=r"broke the connection off|ended its answer too early"):
        list(engine.stream(SHORT))
    assert text_of(engine, SHORT)[1].reason == "length"


def test_an_error_of_the_server_is_passed_on(server: ModelServer, engine: RemoteEngine) -> None:
    engine.load()
    server.name = "renamed:latest"
    try:
        with pytest.raises(EngineError, match=r"refused: model .* not found \(status 404\)"):
            list(engine.stream(SHORT))
    finally:
        server.name = "mini:latest"


def test_cancel_ends_the_stream_at_once(server: ModelServer, engine: RemoteEngine) -> None:
    engine.load()
    server.text = "word " * 20000
    threading.Timer(0.3, engine.cancel).start()
    started = time.monotonic()
    said, done = text_of(engine, SHORT)
    assert done.reason == "cancelled"
    assert said
    assert time.monotonic() - started < 2


def test_a_token_that_fits_two_labels_counts_for_neither() -> None:
    listed = [("yes", -1.0), (" yes", -2.0), ("m", -3.0), ("n", -1.5)]
    yes, no, never, maybe = first_tokens(listed, ("yes", "no", "never", "maybe"))
    assert yes == pytest.approx(-0.6867, abs=1e-3)
    assert (no, never, maybe) == (None, None, pytest.approx(-3.0))


def test_the_token_of_a_server_comes_from_the_environment(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sesame")
    engine = OpenAIEngine(f"{server.url}/v1")
    assert engine._server.headers()["Authorization"] == "Bearer sesame"

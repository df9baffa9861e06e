"""An engine that says what a test wrote down, at the test's pace. For what a real one can't
be made to do at a fixed moment; everything else is tested with llama.cpp."""

import threading
import time
from collections.abc import Iterator, Sequence

from medllm.engines.protocol import Done, Event, ModelInfo, Progress, Request, Token
from medllm.errors import EngineError, MedLLMError

INFO = ModelInfo(
    name="medical-llm-mini",
    path="mini.gguf",
    sha256="1a2b3c4d" * 8,
    size_bytes=1,
    architecture="llama",
    quantization="Q4_K_M",
    parameters=1,
    context=2048,
    template_has_system=False,
    metadata={"medllm.recipe": "mini"},
)


class ScriptedEngine:
    """Writes `pieces`, then ends.

    Args:
        pieces: of the answer.
        hold_at: number of pieces after which it waits for `go` or a stop.
        error: raised in place of the piece at `hold_at`.
        load_error: raised by `load`.
        hold_load: whether `load` waits at 40 % for `go`.
    """

    def __init__(
        self,
        pieces: Sequence[str] = (),
        hold_at: int | None = None,
        error: MedLLMError | None = None,
        load_error: MedLLMError | None = None,
        hold_load: bool = False,
        info: ModelInfo = INFO,
    ) -> None:
        self.pieces, self.hold_at, self.error = list(pieces), hold_at, error
        self.load_error, self.hold_load, self._info = load_error, hold_load, info
        self.go = threading.Event()
        self.held = threading.Event()
        self.loads = 0
        self.refused = 0
        self._loaded = self._stop = self._closed = False

    def load(self, progress: Progress | None = None) -> ModelInfo:
        if self.load_error:
            raise self.load_error
        if not self._loaded:
            self.loads += 1
            if progress:
                progress(0.4)
            if self.hold_load:
                self._wait()
                if self._closed:
                    raise EngineError("closed")
            self._loaded = True
            if progress:
                progress(1.0)
        return self._info

    def info(self) -> ModelInfo:
        return self._info

    def stream(self, request: Request) -> Iterator[Event]:
        self._stop = False
        for number, piece in enumerate(self.pieces):
            if number == self.hold_at:
                if self.error:
                    error, self.error, self._loaded = self.error, None, False
                    raise error
                self._wait()
            if self._stop or self._closed:
                yield Done("cancelled", 9, 0, number, 5.0, 6.0)
                return
            yield Token(piece, -0.1)
        yield Done("stop", 9, 0, len(self.pieces), 10.0, 1010.0)

    def cancel(self) -> None:
        self._stop = True

    def close(self) -> None:
        self._closed = True

    def _wait(self) -> None:
        self.held.set()
        while not (self.go.is_set() or self._stop or self._closed):
            time.sleep(0.005)


def in_pieces(text: str, size: int = 7) -> list[str]:
    """`text` cut as tokens might be."""
    return [text[at : at + size] for at in range(0, len(text), size)]

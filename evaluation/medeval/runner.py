"""Asks an engine what has not been asked yet, several questions at once where it takes them."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from medllm.engines.protocol import Done, Engine, ModelInfo, Scorer, Token
from medllm.errors import EngineError, MedLLMError, ModelError, UsageError

from medeval.answer_store import AnswerStore
from medeval.degeneration import is_loop, language
from medeval.engines.spec import EngineSpec
from medeval.sample import Answer, Problem, Sample

_LOOK_EVERY = 64  # tokens between two looks for a loop
_IN_A_ROW = 3  # failures after which an engine counts as broken
_JOIN_S = 0.2
_CLOSE_S = 3.0


@dataclass(frozen=True, slots=True)
class Job:
    """One question to one model with one seed."""

    key: str
    sample: Sample
    seed: int = 0


@dataclass(slots=True)
class Outcome:
    """How a run went."""

    info: ModelInfo | None = None
    """The model, where it was loaded."""
    failures: dict[str, str] = field(default_factory=dict)
    """What went wrong, by the key of the question that has no answer for it."""
    stopped_by: str = ""
    """Why the run ended before its end; empty where it did not."""


class Runner:
    """Answers jobs through engines of one kind, keeping each answer as it comes.

    Args:
        spec: the engine.
        store: where answers are kept; what it has is not asked.
        workers: engines at work at once.
        patience: seconds of silence after which an engine counts as lost.
        advance: called after each job, with its answer; None for a failure.
        loading: called with the share of the model that is loaded.
        cut_loops: whether an answer that repeats itself is stopped.
    """

    def __init__(
        self,
        spec: EngineSpec,
        store: AnswerStore,
        workers: int,
        patience: float = 120.0,
        advance: Callable[[Answer | None], None] = lambda _answer: None,
        loading: Callable[[float], None] = lambda _share: None,
        cut_loops: bool = True,
    ) -> None:
        self._spec, self._store, self._workers = spec, store, workers
        self._cut_loops = cut_loops
        self._patience, self._advance, self._loading = patience, advance, loading
        self._lock = threading.Lock()
        self._jobs: deque[Job] = deque()
        self._stop = threading.Event()
        self._engines: list[Engine] = []
        self._in_a_row = 0
        self._outcome = Outcome()
        self._error: BaseException | None = None

    def run(self, jobs: Sequence[Job]) -> Outcome:
        """Asks what the store does not have; a broken engine ends it, keeping what was done.

        Raises:
            ModelError: the model can't be loaded.
            UsageError: the engine can't do what the tasks need.
            KeyboardInterrupt: the engines are closed, the answers kept.
        """
        self._jobs = deque(job for job in jobs if self._store.get(job.key) is None)
        count = min(self._workers, len(self._jobs))
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(count)]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                while thread.is_alive():
                    thread.join(_JOIN_S)
        except BaseException:
            self._stop.set()
            for engine in list(self._engines):
                engine.close()
            for thread in threads:  # so that none writes after the store is closed
                thread.join(_CLOSE_S)
            raise
        if self._error:
            raise self._error
        return self._outcome

    def _work(self) -> None:
        try:
            engine = self._spec.open(self._patience, self._workers)
            self._engines.append(engine)
            try:
                info = engine.load(self._loading)
                with self._lock:
                    self._outcome.info = self._outcome.info or info
                while not self._stop.is_set() and (job := self._next()):
                    self._do(engine, info, job)
            finally:
                engine.close()
        except EngineError as error:
            self._break_off(error.line())
        except BaseException as error:  # it is raised again by `run`
            self._stop.set()
            with self._lock:
                self._error = self._error or error

    def _next(self) -> Job | None:
        with self._lock:
            return self._jobs.popleft() if self._jobs else None

    def _do(self, engine: Engine, info: ModelInfo, job: Job) -> None:
        try:
            answer = self._twice(engine, info, job)
        except (EngineError, ModelError) as error:
            self._fail(job, error)
            return
        if self._stop.is_set() and answer.end == "cancelled":
            return
        self._store.add(job.key, answer)
        with self._lock:
            self._in_a_row = 0
            self._advance(answer)

    def _twice(self, engine: Engine, info: ModelInfo, job: Job) -> Answer:
        """An answer; where the engine dies it is asked once more, since it may restart."""
        try:
            return ask(engine, info, job, self._cut_loops)
        except EngineError:
            if self._stop.is_set():
                raise
            return ask(engine, info, job, self._cut_loops)

    def _fail(self, job: Job, error: MedLLMError) -> None:
        with self._lock:
            if self._stop.is_set():
                return
            self._outcome.failures[job.key] = error.message
            self._in_a_row += 1
            broken = self._in_a_row >= _IN_A_ROW
            self._advance(None)
        if broken:
            self._break_off(
                f"{error.message.rstrip('.')}, {_IN_A_ROW} questions in a row. {error.hint}".strip()
            )

    def _break_off(self, reason: str) -> None:
        with self._lock:
            self._outcome.stopped_by = self._outcome.stopped_by or reason
        self._stop.set()


def ask(engine: Engine, info: ModelInfo, job: Job, cut_loops: bool = True) -> Answer:
    """One answer, looked at while it comes.

    Raises:
        EngineError: the engine died, fell silent or broke its protocol.
        UsageError: it can't do what the sample needs.
    """
    if job.sample.choices:
        return _scored(engine, info, job.sample)
    if job.sample.grammar and not getattr(engine, "holds_grammar", False):
        raise UsageError(
            f"The engine of {info.name} can't hold an answer to a grammar.",
            "Leave the tasks that need one out, or run them through gguf:FILE.",
        )
    return _written(engine, info, job, cut_loops)


def _scored(engine: Engine, info: ModelInfo, sample: Sample) -> Answer:
    score = getattr(engine, "score", None)
    if score is None:
        raise UsageError(
            f"The engine of {info.name} gives no log-probabilities.",
            "Take the task that scores by generation.",
        )
    scorer: Scorer = engine  # type: ignore[assignment]
    started = time.perf_counter()
    try:
        scores = scorer.score(sample.messages(info.template_has_system), sample.choices)
    except UsageError:
        return Answer(problem="too long", end="length")
    seconds = time.perf_counter() - started
    problem: Problem = "" if any(s is not None for s in scores) else "no scores"
    return Answer(scores=scores, seconds=round(seconds, 4), tokens=1, problem=problem)


def _written(engine: Engine, info: ModelInfo, job: Job, cut_loops: bool) -> Answer:
    pieces: list[str] = []
    logprobs, count, looped = 0.0, 0, False
    done: Done | None = None
    try:
        for event in engine.stream(job.sample.request(info.template_has_system, job.seed)):
            if isinstance(event, Done):
                done = event
                continue
            pieces.append(event.text)
            if isinstance(event, Token) and event.logprob is not None:
                logprobs, count = logprobs + event.logprob, count + 1
            if looped or not cut_loops or len(pieces) % _LOOK_EVERY:
                continue
            if is_loop("".join(pieces)):
                looped = True
                engine.cancel()
    except UsageError:
        return Answer(problem="too long", end="length")
    if done is None:
        raise EngineError("The engine ended its answer without saying so.", "Start it again.")
    text = "".join(pieces)
    return Answer(
        text=text,
        logprob=round(logprobs / count, 5) if count else None,
        end=done.reason,
        tokens=done.tokens,
        seconds=round(done.total_ms / 1e3, 4),
        problem=_problem(text, looped),
    )


def _problem(text: str, looped: bool) -> Problem:
    if not text.strip():
        return "empty"
    if looped or is_loop(text):
        return "loop"
    return "language" if language(text) else ""

"""Sending a publication to Ollama: weights as blobs, then the models, then on to its library.

API: https://github.com/ollama/ollama/blob/main/docs/api.md (blobs, create, push).
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from medllm.errors import ConversionError, MedLLMError

from medconvert.publish.bundle import OllamaModel, Plan, Progress
from medconvert.publish.failure import AGAIN, GOES_ON, PassingError, asked_wait, persist
from medconvert.publish.hub import UPLOADING, CountingReader
from medconvert.publish.target import Target, is_local

PUSHING = "Pushing"
_TIMEOUT_S = {"connect": 10.0, "read": 600.0, "write": 120.0, "pool": 10.0}
_SERVE = "Start it with `ollama serve`, or set OLLAMA_HOST to where it is."


def send(plan: Plan, _hosts: set[str], progress: Progress) -> str:
    """Publishes to Ollama.

    Args:
        plan: what, and where to.
        progress: is told how many bytes are there, and how far a push is.

    Returns:
        One line on what was done.

    Raises:
        MedLLMError: one line on what stands in the way.
    """
    import httpx

    sent = 0
    # A proxy of the environment is not asked for what is on this machine.
    with httpx.Client(
        base_url=plan.target.server,
        timeout=httpx.Timeout(**_TIMEOUT_S),
        trust_env=not is_local(plan.target.host),
    ) as client:
        server = Server(client, plan.target)
        for model in plan.models:
            server.send_blob(
                model,
                lambda position, before=sent: progress(  # type: ignore[misc]
                    UPLOADING, before + position, plan.size
                ),
            )
            sent += model.item.size
            progress(UPLOADING, sent, plan.size)
            server.create(model)
        if plan.push:
            for model in plan.models:
                server.push(model.name, progress)
    names = ", ".join(model.name for model in plan.models)
    pushed = " and pushed" if plan.push else ""
    return f"Created{pushed} {names}. Try it with: ollama run {plan.models[0].name}"


class Server:
    """The requests that publishing makes of one Ollama."""

    def __init__(self, client: Any, target: Target) -> None:
        self._client, self._target = client, target

    def send_blob(self, model: OllamaModel, tell: Callable[[int], None]) -> None:
        """Sends a model's weights, unless they are there."""
        address = f"/api/blobs/sha256:{model.item.sha256}"

        def once() -> None:
            with self._understood():
                there = self._client.head(address)
                if there.status_code == 200:
                    return
                if there.status_code != 404:
                    self._refuse(there)
                assert model.item.file
                with CountingReader(model.item.file, tell) as stream:
                    length = {"Content-Length": str(model.item.size)}
                    answer = self._client.post(address, content=stream, headers=length)
                if answer.status_code not in (200, 201):
                    self._refuse(answer)

        persist(once, time.sleep)

    def create(self, model: OllamaModel) -> None:
        """Makes a model from weights that are there."""
        weights = {model.item.name: f"sha256:{model.item.sha256}"}
        self._converse("/api/create", {"model": model.name, "files": weights, **model.settings})

    def push(self, name: str, progress: Progress) -> None:
        """Has Ollama send a model on to its library."""
        self._converse(
            "/api/push",
            {"model": name},
            lambda said: progress(PUSHING, said.get("completed") or 0, said.get("total") or 0),
        )

    def _converse(
        self,
        address: str,
        content: dict[str, Any],
        heard: Callable[[dict[str, Any]], None] = lambda _said: None,
    ) -> None:
        """A request that is answered by JSON lines, the last of which says success."""

        def once() -> None:
            last: dict[str, Any] = {}
            with (
                self._understood(),
                self._client.stream("POST", address, json={**content, "stream": True}) as answer,
            ):
                if answer.status_code != 200:
                    answer.read()
                    self._refuse(answer)
                for last in _objects(answer.iter_lines()):
                    if error := last.get("error"):
                        raise self._said(str(error))
                    heard(last)
            if last.get("status") != "success":
                raise PassingError(self._broken())

        persist(once, time.sleep)

    def _refuse(self, answer: Any) -> NoReturn:
        status, wait = answer.status_code, asked_wait(answer.headers)
        said = next(_objects([answer.text]), {}).get("error", "")
        error = self._said(str(said)) if said else self._of_status(status)
        raise PassingError(error, wait) if status in AGAIN else error

    def _of_status(self, status: int) -> ConversionError:
        at = f"Ollama at {self._target.server}"
        if status in (401, 403):
            return ConversionError(
                f"{at} refuses ({status}).", "Sign in with `ollama signin`, or name your own user."
            )
        if status == 404:
            return ConversionError(
                f"{at} does not know this request (404).", "Update Ollama, or check OLLAMA_HOST."
            )
        if status == 429:
            return ConversionError(
                f"{at} wants no more requests (429).", f"Try again later. {GOES_ON}"
            )
        return ConversionError(f"{at} answers with error {status}.", f"Try again. {GOES_ON}")

    def _said(self, error: str) -> ConversionError:
        line = " ".join(error.split())[:300]
        hint = "See the log of `ollama serve`."
        if "authorized" in line or "access denied" in line or "401" in line:
            hint = "Sign in with `ollama signin`, and publish under your own name: USER/NAME."
        return ConversionError(f"Ollama refuses: {line.rstrip('.')}.", hint)

    def _broken(self) -> ConversionError:
        return ConversionError(
            f"The connection to Ollama at {self._target.server} broke off.", GOES_ON
        )

    @contextmanager
    def _understood(self) -> Iterator[None]:
        """Turns the HTTP client's errors into ours."""
        import httpx

        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise ConversionError(
                f"Ollama does not answer at {self._target.server}.", _SERVE
            ) from error
        except httpx.TransportError as error:
            raise PassingError(self._broken()) from error
        except httpx.HTTPError as error:
            raise self._broken() from error
        except OSError as error:
            if isinstance(error, MedLLMError):
                raise
            raise ConversionError(
                f"A file can't be read: {error.strerror or error}.", "Check that it is still there."
            ) from error


def _objects(lines: Any) -> Iterator[dict[str, Any]]:
    """The JSON objects among lines."""
    for line in lines:
        try:
            content = json.loads(line)
        except ValueError:
            continue
        if isinstance(content, dict):
            yield content

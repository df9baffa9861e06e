"""Sending a publication to the Hugging Face Hub.

Through huggingface_hub: make the repository, see what is there, send the weights that are
missing as LFS objects, then put everything in place by one commit. Whoever downloads sees
the old files or the new ones. Weights that have arrived are known by their SHA-256 and not
sent again, even when the commit never came.

Protocols: https://huggingface.co/docs/hub/api, git-lfs docs/api/batch.md.
"""

import hashlib
import io
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from medllm.errors import ConversionError, MedLLMError

from medconvert.publish.bundle import Item, Plan, Progress
from medconvert.publish.client import hub_client
from medconvert.publish.failure import (
    AGAIN,
    PassingError,
    asked_wait,
    hub_refusal,
    hub_unreachable,
    persist,
)

UPLOADING = "Uploading"
_LOGIN = "Log in with `hf auth login`, or set HF_TOKEN to a token that may write."
Result = TypeVar("Result")
# What the Hub's library sends once and not again.
_SENT_ONCE = ("/api/repos/create", "/api/validate-yaml", "/commit/")


def send(plan: Plan, hosts: set[str], progress: Progress) -> str:
    """Publishes to the Hub.

    Args:
        plan: what, and where to.
        hosts: hosts that may be reached; those that the Hub names for the weights join it.
        progress: is told how many bytes of weights are there.

    Returns:
        One line on what was done.

    Raises:
        MedLLMError: one line on what stands in the way.
    """
    from huggingface_hub import HfApi, constants, get_token

    if constants.is_offline_mode():
        raise ConversionError("HF_HUB_OFFLINE is set.", "Unset it to publish.")
    token = get_token()
    if not token:
        raise ConversionError("There is no token for the Hub.", _LOGIN)
    api, repository = HfApi(endpoint=plan.target.server, token=token), plan.target.name
    with hub_client(plan.target, hosts):
        _try(repository, lambda: _make_repository(api, plan))
        missing = _try(repository, lambda: _missing(api, plan))
        if not missing:
            return f"Everything is already at {plan.target.server}/{repository}."
        _upload(api, repository, [item for item in missing if item.file], progress)
        _try(repository, lambda: _commit(api, plan))
        if wrong := _try(repository, lambda: _missing(api, plan)):
            raise ConversionError(
                f"{wrong[0].name} is not at the Hub as it was sent.", "Publish it again."
            )
    return f"Published {len(missing)} files at {plan.target.server}/{repository}."


def _make_repository(api: Any, plan: Plan) -> None:
    # Without a wish for privacy the owner's own default holds.
    wish = {"private": True} if plan.private else {}
    api.create_repo(plan.target.name, repo_type="model", exist_ok=True, **wish)


def _missing(api: Any, plan: Plan) -> list[Item]:
    """What the repository doesn't have, or has with other content."""
    from huggingface_hub import RepoFile

    entries = api.list_repo_tree(plan.target.name, recursive=True)
    there = {entry.path: entry for entry in entries if isinstance(entry, RepoFile)}
    return [item for item in plan.items if not _is_there(item, there.get(item.name))]


def _is_there(item: Item, entry: Any) -> bool:
    if entry is None or entry.size != item.size:
        return False
    if entry.lfs:
        return bool(entry.lfs.sha256 == item.sha256)
    return bool(entry.blob_id == _git_name(item))


def _git_name(item: Item) -> str:
    """The name that git gives a file's content."""
    name = hashlib.sha1(b"blob %d\0" % item.size)
    with item.file.open("rb") if item.file else io.BytesIO(item.text.encode()) as stream:
        while piece := stream.read(1 << 20):
            name.update(piece)
    return name.hexdigest()


def _upload(api: Any, repository: str, weights: Sequence[Item], progress: Progress) -> None:
    """Sends weights to where the Hub keeps large files; they belong to no commit yet."""
    total, before = sum(item.size for item in weights), 0
    for item in weights:
        start = before

        def tell(position: int, start: int = start) -> None:
            progress(UPLOADING, start + position, total)

        addition = _addition(item, tell)
        _try(
            repository,
            lambda addition=addition: api.preupload_lfs_files(  # type: ignore[misc]
                repository, [addition], num_threads=1
            ),
        )
        before += item.size
        progress(UPLOADING, before, total)


def _commit(api: Any, plan: Plan) -> None:
    """Puts all that is missing in place; nothing, where an earlier try came through unheard."""
    operations = [_addition(item, lambda _position: None) for item in _missing(api, plan)]
    if operations:
        api.create_commit(plan.target.name, operations, commit_message="Publish with medconvert")


def _addition(item: Item, tell: Callable[[int], None]) -> Any:
    """A commit's operation for one file, the reading of which is told."""
    from huggingface_hub import CommitOperationAdd

    class Addition(CommitOperationAdd):
        @contextmanager
        def as_file(self, with_tqdm: bool = False) -> Iterator[Any]:
            if item.file is None:
                yield io.BytesIO(item.text.encode())
                return
            with CountingReader(item.file, tell) as stream:
                yield stream

    if item.file is None:
        return Addition(path_in_repo=item.name, path_or_fileobj=item.text.encode())
    addition = Addition(path_in_repo=item.name, path_or_fileobj=item.file)
    if addition.upload_info.size != item.size:
        raise ConversionError(f"{item.file.name} was changed meanwhile.", "Publish it again.")
    # Known from the plan; the Hub holds what it receives against it.
    addition.upload_info.sha256 = bytes.fromhex(item.sha256)
    return addition


class CountingReader(io.BufferedReader):
    """A file whose position is told as it is read; going back is told, too, by the next read."""

    def __init__(self, file: Path, tell: Callable[[int], None]) -> None:
        super().__init__(io.FileIO(file))
        self._told = tell

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self._told(self.tell())
        return data


def _try(repository: str, action: Callable[[], Result]) -> Result:
    """Does one step, again where it fails in passing, with errors as one line."""

    def once() -> Result:
        try:
            return action()
        except MedLLMError:
            raise
        except Exception as error:
            raise _understood(repository, error) from error

    return persist(once, time.sleep)


def _understood(repository: str, error: Exception) -> Exception:
    """What an error of the Hub's library means."""
    from huggingface_hub.errors import HfHubHTTPError

    while isinstance(error, RuntimeError) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    if isinstance(error, MedLLMError):
        return error
    if isinstance(error, HfHubHTTPError):
        status, wait = error.response.status_code, asked_wait(error.response.headers)
        refusal = hub_refusal(status, repository, wait)
        again = status in AGAIN and _was_sent_once(error.response)
        return PassingError(refusal, wait) if again else refusal
    if type(error).__module__.startswith(("httpx", "httpcore")):
        unreachable = hub_unreachable()
        return PassingError(unreachable) if _was_sent_once(error) else unreachable
    if isinstance(error, OSError):
        return _of_system(error)
    said = " ".join(str(error).split())
    return ConversionError(f"The Hub refuses the publication: {said}", "Mend that and try again.")


def _of_system(error: OSError) -> ConversionError:
    if isinstance(error, ConnectionError | TimeoutError):
        return hub_unreachable()
    return ConversionError(
        f"A file can't be read: {error.strerror or error}.", "Check that it is still there."
    )


def _was_sent_once(failed: Any) -> bool:
    """Whether the failed request is of the kind that the Hub's library doesn't repeat itself."""
    try:
        path = str(failed.request.url.path)
    except (RuntimeError, AttributeError):
        return False
    return any(mark in path for mark in _SENT_ONCE)

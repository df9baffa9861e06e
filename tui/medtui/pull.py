"""`medtui pull`: fetches one GGUF file of a Hub repository. The only command that goes online.

Protocol: https://huggingface.co/docs/hub/api. A download that breaks off goes on
where it was (HTTP ranges), is held against the Hub's SHA-256 and checked as a
model before it takes its name.
"""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medllm import files, models, paths
from medllm.errors import MedLLMError, ModelError, StorageError, UsageError

if TYPE_CHECKING:
    from rich.progress import Progress

PREFERRED = "Q4_K_M"
TIMEOUT_S = 30.0
_AGAIN = "Check the connection; the same command goes on where it was."
_SHARD = re.compile(r"-\d{5}-of-\d{5}\.gguf$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Remote:
    """One file of a repository."""

    repository: str
    name: str
    revision: str
    """Commit, so that a download that goes on later can't mix two versions."""
    size: int
    sha256: str
    """In hexadecimal; empty where the Hub doesn't tell."""


def run(repository: str, file: str | None, revision: str) -> None:
    """Fetches a model and says how to use it.

    Args:
        repository: `OWNER/NAME`.
        file: one of its files; None takes the only GGUF, or the Q4_K_M one.
        revision: branch, tag or commit.

    Raises:
        UsageError: there is no such file, or several to choose from.
        ModelError: there is no such repository, it needs a login, or what came is no model.
        StorageError: no room.
        MedLLMError: no connection.
    """
    # The Hub's library would tell it more than a download needs.
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    repository = repository.removeprefix("https://huggingface.co/").removeprefix("hf.co/")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise _no_repository(repository)
    with _clear_errors(repository, revision):
        remote = _look_up(repository, file, revision)
        target = paths.models_dir() / repository / Path(remote.name).name
        if _is_there(target, remote):
            print(f"{target} is already there.")
        else:
            _fetch(remote, target)
    print(f"Use it like this:\n  medtui --model {target}")
    print(f'or always, with this line in {paths.settings_file()}:\n  model = "{target}"')


def choose(names: list[str], wanted: str | None) -> str:
    """The file to take out of a repository's files.

    Raises:
        UsageError: none is fit, or several are and none is the Q4_K_M one.
    """
    found = sorted(name for name in names if name.lower().endswith(".gguf"))
    if wanted:
        if wanted in names:
            return wanted
        raise UsageError(f"There is no file {wanted}.", f"There are: {', '.join(found) or 'none'}.")
    whole = [name for name in found if not _SHARD.search(name) and "mmproj" not in name.lower()]
    if len(whole) == 1:
        return whole[0]
    preferred = [name for name in whole if PREFERRED in name.upper()]
    if len(preferred) == 1:
        return preferred[0]
    if whole:
        raise UsageError(
            f"There are {len(whole)} models to choose from.",
            f"Add --file, one of: {', '.join(whole)}.",
        )
    what = "only models in pieces" if found else "no GGUF file"
    raise UsageError(f"The repository has {what}.", "Look for one whose name ends in -GGUF.")


def _look_up(repository: str, file: str | None, revision: str) -> Remote:
    from huggingface_hub import HfApi

    info = HfApi().model_info(repository, revision=revision, files_metadata=True, timeout=TIMEOUT_S)
    siblings = {sibling.rfilename: sibling for sibling in info.siblings or []}
    chosen = siblings[choose(list(siblings), file)]
    lfs = chosen.lfs
    return Remote(
        repository=repository,
        name=chosen.rfilename,
        revision=info.sha or revision,
        size=int((lfs.size if lfs else chosen.size) or 0),
        sha256=str(lfs.sha256) if lfs else "",
    )


def _is_there(target: Path, remote: Remote) -> bool:
    if not target.is_file() or (remote.size and target.stat().st_size != remote.size):
        return False
    return not remote.sha256 or models.sha256(target) == remote.sha256


def _fetch(remote: Remote, target: Path) -> None:
    paths.ensure_dir(target.parent)
    part = target.with_name(f".{target.name}.{(remote.sha256 or remote.revision)[:12]}.part")
    have = part.stat().st_size if part.exists() else 0
    free = shutil.disk_usage(target.parent).free
    if remote.size - have > free:
        raise StorageError(
            f"{remote.name} needs {(remote.size - have) / 1e9:.1f} GB, and {free / 1e9:.1f} GB "
            f"are free in {target.parent}.",
            "Make room, or set MEDLLM_HOME to another folder.",
        )
    print(f"{remote.name}, {remote.size / 1e6:,.1f} MB, from {remote.repository}", file=sys.stderr)
    with _progress() as progress:
        _download(remote, part, progress)
        _verify(remote, part, progress)
    try:
        models.check(part)
    except ModelError:
        part.unlink()
        raise
    part.replace(target)


def _download(remote: Remote, part: Path, progress: "Progress") -> None:
    from huggingface_hub import get_session, hf_hub_url
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        build_hf_headers,
        hf_raise_for_status,
    )

    have = part.stat().st_size if part.exists() else 0
    task = progress.add_task("fetching", total=remote.size or None, completed=have)
    if remote.size and have == remote.size:
        return
    url = hf_hub_url(remote.repository, remote.name, revision=remote.revision)
    headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    client: Any = get_session()
    with client.stream(
        "GET", url, headers=headers, follow_redirects=True, timeout=TIMEOUT_S
    ) as response:
        if response.status_code == 416:  # what is there is longer than the file
            part.unlink()
            raise MedLLMError("What had been fetched did not fit the file.", "Run it again.")
        hf_raise_for_status(response)
        goes_on = response.status_code == 206
        if not goes_on:
            progress.update(task, completed=0)
        with open(part, "ab" if goes_on else "wb") as stream:
            for piece in response.iter_bytes():
                stream.write(piece)
                progress.advance(task, len(piece))


def _verify(remote: Remote, part: Path, progress: "Progress") -> None:
    size = part.stat().st_size
    if remote.size and size != remote.size:
        raise MedLLMError(f"The connection broke at {size / remote.size:.0%}.", _AGAIN)
    if not remote.sha256:
        return
    task = progress.add_task("checking", total=1.0)
    if files.sha256(part, lambda share: progress.update(task, completed=share)) != remote.sha256:
        part.unlink()
        raise ModelError(
            f"What came for {remote.name} has another SHA-256 than the Hub tells.",
            "It was removed; run the command again.",
        )


def _progress() -> "Progress":
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    return Progress(console=console, disable=not console.is_terminal)


@contextmanager
def _clear_errors(repository: str, revision: str) -> Iterator[None]:
    """Turns the Hub's and the network's errors into one line."""
    from huggingface_hub import errors

    where = f"{repository}, revision {revision}," if revision != "main" else repository
    login = "Log in with `hf auth login`, or set HF_TOKEN."
    try:
        yield
    except errors.HFValidationError as error:
        raise _no_repository(repository) from error
    except errors.GatedRepoError as error:
        raise ModelError(
            f"{repository} asks for its terms to be accepted first.",
            f"Accept them at huggingface.co/{repository}. {login}",
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ModelError(
            f"{repository} has no revision {revision}.", "Check --revision."
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise ModelError(
            f"There is no model {repository}, or it is private.", f"Check the name. {login}"
        ) from error
    except errors.OfflineModeIsEnabled as error:
        raise MedLLMError("HF_HUB_OFFLINE is set.", "Unset it for this command.") from error
    except errors.HfHubHTTPError as error:
        raise _of_status(where, error.response.status_code, login) from error
    except MedLLMError:
        raise
    except OSError as error:
        if _is_network(error):
            raise MedLLMError("The Hub can't be reached.", _AGAIN) from error
        raise StorageError(
            f"The model can't be written: {error.strerror or error}.",
            "Make room, or set MEDLLM_HOME to another folder.",
        ) from error
    except Exception as error:
        if _is_network(error):
            raise MedLLMError("The connection to the Hub failed.", _AGAIN) from error
        raise


def _no_repository(name: str) -> UsageError:
    return UsageError(f"{name} is not a repository.", "Name one like this: medtui pull OWNER/NAME")


def _of_status(where: str, status: int, login: str) -> MedLLMError:
    if status in (401, 403):
        return ModelError(f"The Hub does not let you fetch {where} ({status}).", login)
    if status == 404:
        return ModelError(f"The Hub has no {where} (404).", "Check the name and --file.")
    return MedLLMError(f"The Hub answered with error {status} for {where}.", "Try again later.")


def _is_network(error: Exception) -> bool:
    """Whether an error comes from a socket or from the HTTP client of the Hub's library."""
    import socket

    client = any(kind.__module__.startswith(("httpx", "httpcore")) for kind in type(error).__mro__)
    return client or isinstance(error, ConnectionError | socket.gaierror | TimeoutError)

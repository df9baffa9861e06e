"""The single checks of `medtui doctor`."""

import os
import platform
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medllm import guard, paths
from medllm.errors import MedLLMError, NetworkRefusedError, StorageError

ELSEWHERE = "192.0.2.1"
"""An address that is reserved for documentation (RFC 5737): nothing is ever there."""
NAME_ELSEWHERE = "example.invalid"
# What the guard's proof runs in a process of its own, started as the engine host is.
_PROBE = (
    "from medllm import guard; guard.install(); from medtui.checks import probe; print(probe())"
)
_HF_VARIABLES = ("HF_HUB_OFFLINE", "HF_ENDPOINT", "HF_HOME")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    check: str
    says: str
    ok: bool = True
    do: str = ""
    """What to do about it; empty where there is nothing to do."""
    facts: dict[str, Any] = field(default_factory=dict)


def everything(model: Path | None = None) -> list[Finding]:
    """All checks, in the order in which they are read."""
    return [
        *_guard(),
        _reference(),
        *_models(model),
        _history(),
        _folder(),
        _packages(),
        _compiler(),
        _terminal(),
        _environment(),
    ]


def no_color() -> bool:
    """Whether the user wants no colours (no-color.org)."""
    return bool(os.environ.get("NO_COLOR"))


def probe() -> str:
    """Tries to get out in two ways; `refused` where the guard stopped both, else what happened."""
    try:
        socket.create_connection((ELSEWHERE, 9), timeout=2).close()
    except NetworkRefusedError:
        pass
    except OSError as error:
        return f"a packet was sent to {ELSEWHERE} ({error})"
    else:
        return f"a connection to {ELSEWHERE} was made"
    try:
        socket.getaddrinfo(NAME_ELSEWHERE, 443)
    except NetworkRefusedError:
        return "refused"
    except OSError as error:
        return f"a name server was asked ({error})"
    return "a name was looked up"


def _guard() -> Iterator[Finding]:
    before = guard.refused()
    here = probe() if guard.installed() else "the guard is off"
    counted = guard.refused() - before
    child = subprocess.run(
        [sys.executable, "-P", "-c", _PROBE],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    last_words = (child.stderr.strip().splitlines() or ["no result"])[-1]
    there = child.stdout.strip() or last_words
    facts = {"here": here, "other_process": there, "counted": counted}
    if here == there == "refused" and counted == 2:
        says = "a connection and a look-up were refused here and in a process of its own, unsent"
        yield Finding("guard", says, facts=facts)
    else:
        what = f"{here}; in a process of its own: {there}"
        yield Finding("guard", what, ok=False, do="Install medical-llm again.", facts=facts)


def _reference() -> Finding:
    try:
        from medllm.reference import builtin_cards

        cards = builtin_cards()
    except MedLLMError as error:
        return Finding("reference", error.message, ok=False, do=error.hint)
    says = f"{len(cards)} cards in {paths.cards_dir()}"
    if not cards:
        return Finding("reference", says, ok=False, do="Install medical-llm again.")
    reviewed = sum(card.reviewed for card in cards)
    return Finding(
        "reference",
        f"{says}, {reviewed} reviewed",
        facts={"cards": len(cards), "reviewed": reviewed},
    )


def _models(named: Path | None) -> Iterator[Finding]:
    from medtui.session import default_model

    try:
        first = named or default_model()
    except StorageError as error:
        yield Finding("settings", error.message, ok=False, do=error.hint)
        first = paths.builtin_model()
    known = [first, paths.builtin_model(), *sorted(paths.models_dir().rglob("*.gguf"))]
    for number, file in enumerate(dict.fromkeys(known)):
        finding = _model(file)
        yield finding
        if number == 0 and finding.ok:
            yield _engine(file)


def _model(file: Path) -> Finding:
    from medllm import models

    try:
        facts = models.check(file)
        digest = models.sha256(file)
        context = models.fitting_context(facts)
    except MedLLMError as error:
        return Finding("model", error.message, ok=False, do=error.hint, facts={"path": str(file)})
    need, free = facts.memory_bytes(context), models.available_memory()
    says = (
        f"{facts.name} {facts.quantization}, {facts.size_bytes / 1e6:,.1f} MB, "
        f"sha256 {digest[:12]}, needs {need / 1e6:,.0f} MB of {free / 1e6:,.0f} MB free "
        f"for {context} tokens: {file}"
    )
    known = {
        "path": str(file),
        "sha256": digest,
        "size_bytes": facts.size_bytes,
        "quantization": facts.quantization,
        "context": context,
        "memory_bytes": need,
        "free_bytes": free,
    }
    return Finding("model", says, facts=known)


def _engine(file: Path) -> Finding:
    """Loads the model as the programs do, and looks at what its process has open."""
    from medllm.engines.llamacpp import LlamaCppEngine

    engine = LlamaCppEngine(file)
    started = time.monotonic()
    try:
        engine.load()
        sockets = _sockets(engine.host_pid)
    except MedLLMError as error:
        return Finding("engine", error.message, ok=False, do=error.hint)
    finally:
        engine.close()
    took = (time.monotonic() - started) * 1e3
    held = "" if sockets is None else f", its process holds {sockets or 'no'} network sockets"
    facts = {"load_ms": round(took), "refused": engine.refused, "sockets": sockets}
    ok = not sockets and not engine.refused
    do = "" if ok else "Please report it: the engine must not use the network."
    return Finding("engine", f"llama.cpp loaded the model in {took:.0f} ms{held}", ok, do, facts)


def _sockets(pid: int | None) -> int | None:
    """How many sockets a process holds; None where the system doesn't tell."""
    try:
        links = [link.readlink() for link in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return None
    return sum(str(link).startswith("socket:") for link in links)


def _history() -> Finding:
    from medllm.history import History

    file = paths.history_file()
    if not file.exists():
        return Finding("history", f"none yet: {file}", facts={"path": str(file), "entries": 0})
    try:
        history = History(file)
        entries = history.count()
        history.close()
    except MedLLMError as error:
        return Finding("history", error.message, ok=False, do=error.hint, facts={"path": str(file)})
    size = file.stat().st_size
    return Finding(
        "history",
        f"{entries} entries, {size / 1e3:,.0f} kB, can be written: {file}",
        facts={"path": str(file), "entries": entries, "size_bytes": size},
    )


def _folder() -> Finding:
    folder = paths.user_dir()
    facts = {
        "user": str(folder),
        "models": str(paths.models_dir()),
        "settings": str(paths.settings_file()),
    }
    scratch = folder / ".doctor"
    try:
        paths.ensure_dir(folder)
        scratch.write_bytes(b"\0" * 65536)
        scratch.unlink()
    except StorageError as error:
        return Finding("folder", error.message, ok=False, do=error.hint, facts=facts)
    except OSError as error:
        says = f"{folder} can't be written: {error.strerror or error}"
        return Finding(
            "folder",
            says,
            ok=False,
            do="Make room or make it writable, or set MEDLLM_HOME to another folder.",
            facts=facts,
        )
    free = shutil.disk_usage(folder).free
    return Finding(
        "folder",
        f"{folder} can be written, {free / 1e9:.1f} GB free",
        facts={**facts, "free": free},
    )


def _packages() -> Finding:
    from medllm.run_record import versions

    found = versions("medical-llm", "llama-cpp-python", "textual", "huggingface-hub", "numpy")
    said = ", ".join(f"{name} {version}" for name, version in found.items())
    if "llama-cpp-python" not in found:
        return Finding(
            "packages",
            said,
            ok=False,
            do="Install medical-llm again, with a C compiler.",
            facts=found,
        )
    return Finding("packages", said, facts=dict(found))


def _compiler() -> Finding:
    path = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if path is None:
        return Finding("compiler", "none found; only an installation needs one")
    asked = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    version = (asked.stdout.splitlines() or [path])[0]
    return Finding("compiler", version, facts={"path": path})


def _terminal() -> Finding:
    encoding = (sys.stdout.encoding or "ascii").lower()
    size = shutil.get_terminal_size()
    facts = {
        "term": os.environ.get("TERM", ""),
        "columns": size.columns,
        "lines": size.lines,
        "encoding": encoding,
        "tty": sys.stdout.isatty(),
        "no_color": no_color(),
    }
    says = f"TERM {facts['term'] or 'unset'}, {size.columns}x{size.lines}, {encoding}"
    if "utf" not in encoding:
        return Finding("terminal", says, ok=False, do="Set LANG=C.UTF-8.", facts=facts)
    return Finding("terminal", says, facts=facts)


def _environment() -> Finding:
    variables = {name: os.environ[name] for name in _HF_VARIABLES if name in os.environ}
    # A proxy's value may hold a password; that there is one is enough.
    proxies = [name for name in _PROXIES if name in os.environ or name.lower() in os.environ]
    said = [f"{name}={value}" for name, value in variables.items()] + [f"{n} set" for n in proxies]
    only = "only medtui pull heeds it" if said else "nothing set that concerns medtui pull"
    return Finding(
        "environment",
        f"{platform.system()} {platform.machine()}; {', '.join([*said, only])}",
        facts={**variables, "proxies": proxies},
    )

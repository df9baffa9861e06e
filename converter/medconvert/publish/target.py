"""Where a model is published to: `hf:OWNER/NAME` or `ollama:NAME`."""

import ipaddress
import os
import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from medllm.errors import UsageError

HUB = "https://huggingface.co"
OLLAMA = "http://127.0.0.1:11434"
_EXAMPLE = "Name it like this: --publish hf:OWNER/NAME or --publish ollama:NAME."
_REPOSITORY = re.compile(r"[A-Za-z0-9]([\w.-]*\w)?/[A-Za-z0-9]([\w.-]*\w)?", re.ASCII)
_MODEL = re.compile(
    r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*){0,2}(:[A-Za-z0-9_][\w.-]*)?", re.ASCII
)
Kind = Literal["hf", "ollama"]


@dataclass(frozen=True, slots=True)
class Target:
    """A place to publish to."""

    kind: Kind
    name: str
    """`OWNER/NAME` at the Hub, `[USER/]NAME[:TAG]` at Ollama."""
    server: str
    """Address without a slash at its end, as HF_ENDPOINT or OLLAMA_HOST gives it."""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"

    @property
    def stem(self) -> str:
        """The last part of the name, without tag and without -GGUF, which file names repeat."""
        return re.sub(r"-gguf$", "", self.name.split("/")[-1].split(":")[0], flags=re.IGNORECASE)

    @property
    def owner(self) -> str:
        """What stands before the name; empty where nothing does."""
        return self.name.rpartition("/")[0]

    @property
    def host(self) -> str:
        """The server's host, in small letters."""
        return (urlsplit(self.server).hostname or "").lower()


def parse_target(text: str) -> Target:
    """Reads what follows --publish.

    Raises:
        UsageError: it is neither form, or the server's address can't be used.
    """
    kind, _, name = text.partition(":")
    if kind == "hf" and _REPOSITORY.fullmatch(name) and not _breaks_the_hubs_rules(name):
        return Target("hf", name, hub_address(os.environ.get("HF_ENDPOINT") or HUB))
    if kind == "ollama" and _MODEL.fullmatch(name):
        return Target("ollama", name, ollama_address(os.environ.get("OLLAMA_HOST") or OLLAMA))
    raise UsageError(f"{text!r} is no place to publish to.", _EXAMPLE)


def _breaks_the_hubs_rules(name: str) -> bool:
    return "--" in name or ".." in name or len(name) > 96


def hub_address(address: str) -> str:
    """The Hub's address, checked: a token goes to it.

    Raises:
        UsageError: it is not https, and not on this machine.
    """
    parts = urlsplit(address)
    if parts.scheme == "https" or (parts.scheme == "http" and is_local(parts.hostname)):
        return address.rstrip("/")
    raise UsageError(
        f"HF_ENDPOINT is {_without_login(address)!r}, which is not an https address.",
        "Your token would go there unprotected; unset it, or name an https address.",
    )


def ollama_address(text: str) -> str:
    """The address that OLLAMA_HOST means: scheme and port may be missing.

    A server that listens on all addresses (0.0.0.0) is reached at loopback.

    Raises:
        UsageError: it is none.
    """
    with_scheme = text if "://" in text else f"//{text}"
    parts = urlsplit(with_scheme)
    try:
        host, port = parts.hostname or "127.0.0.1", parts.port
    except ValueError:
        host, port = "", None
    scheme = parts.scheme or "http"
    if not host or scheme not in ("http", "https"):
        raise UsageError(
            f"OLLAMA_HOST is {_without_login(text)!r}, which is no address.",
            "Set it like this: OLLAMA_HOST=127.0.0.1:11434.",
        )
    port = port or {"": 11434, "http": 80, "https": 443}[parts.scheme]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    literal = f"[{host}]" if ":" in host else host
    return f"{scheme}://{literal}:{port}{parts.path.rstrip('/')}"


def is_local(host: str | None) -> bool:
    """Whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _without_login(address: str) -> str:
    """An address as it may be shown: without user and password."""
    return re.sub(r"//[^/@]*@", "//", address)

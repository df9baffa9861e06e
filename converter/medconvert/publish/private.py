"""Nothing secret or private goes out: each text is searched before it may be published.

Searched for: this machine's name, the user's name and folders, absolute paths, tokens and
keys. The rules are on the careful side; what they find is named, and nothing is sent.
"""

import getpass
import os
import re
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from medllm.errors import ConversionError

# Account and machine names that are everyday words: found only where they stand for an account.
_EVERYDAY = frozenset(
    "root user admin model data test runner ubuntu debian local localhost home build medical "
    "llm mini base docker guest worker node server host".split()
)
_SHORTEST_NAME = 3
# Absolute ones of two parts and more, where a word can begin: no address and no fraction.
_PATHS = re.compile(
    r"(?<![\w./:<>~-])~?/[A-Za-z][\w.-]*(?:/[\w.-]+)+|\bfile://\S+|\b[A-Za-z]:\\{1,2}[\w .-]{2,}\\"
)
_SECRETS = re.compile(
    r"\bhf_[A-Za-z0-9]{16,}|\bapi_org_[A-Za-z0-9]{16,}|\bgh[pousr]_[A-Za-z0-9]{20,}"
    r"|\bgithub_pat_\w{20,}|\bsk-[\w-]{20,}|\bAKIA[A-Z0-9]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|\bBearer [\w.~+/-]{8,}|X-Amz-Signature=",
)


def check(
    texts: Mapping[str, str],
    public: Iterable[str],
    folders: Iterable[Path] = (),
    signed: Iterable[str] = (),
) -> None:
    """Refuses texts that hold anything private.

    Args:
        texts: what would be published, by the name of the file it stands in.
        public: names that the user publishes under; they may be there.
        folders: folders of this run, besides the home and the working folder.
        signed: files in which a name may stand, as in a licence.

    Raises:
        ConversionError: something was found; says where, and what kind of thing.
    """
    known = sorted(set(public), key=len, reverse=True)
    words = _own_names() - {name.lower() for name in known}
    places = {str(folder.absolute()) for folder in (Path.home(), Path.cwd(), *folders)} - {"/"}
    for name, text in texts.items():
        names = set() if name in signed else words
        found = _secret_or_place(text, places) or _name(_without(text, known), names)
        if found:
            raise ConversionError(
                f"{name} holds {found}, which is private; nothing was published.",
                "Take it out of the model's name, metadata, licence or record and try again.",
            )


def _secret_or_place(text: str, places: set[str]) -> str:
    """What kind of secret or place is in a text; empty where there is none."""
    if _SECRETS.search(text) or any(secret in text for secret in _tokens()):
        return "a token or key"
    if any(re.search(rf"(?<!\w){re.escape(place)}(?!\w)", text) for place in places):
        return "a folder of this machine"
    path = _PATHS.search(text)
    return f"the path {path.group()}" if path else ""


def _name(text: str, words: set[str]) -> str:
    """Says so, where a name of the user or machine is in a text."""
    found = any(_stands_for_an_account(word, text) for word in words)
    return "the name of this user or machine" if found else ""


def _stands_for_an_account(word: str, text: str) -> bool:
    quoted = re.escape(word)
    if word in _EVERYDAY:
        return bool(re.search(rf"(?i)/(?:home|Users)/{quoted}\b|(?<![\w.]){quoted}@[\w-]+", text))
    return bool(re.search(rf"(?i)(?<![A-Za-z0-9]){quoted}(?![A-Za-z0-9])", text))


def _own_names() -> set[str]:
    """The user's and the machine's names, in small letters. Nothing is asked of the network."""
    names = {socket.gethostname(), socket.gethostname().partition(".")[0]}
    with suppress(KeyError, OSError):  # an account without a name
        names.add(getpass.getuser())
    names |= {os.environ.get(variable, "") for variable in ("USER", "LOGNAME", "USERNAME")}
    return {name.lower() for name in names if len(name) >= _SHORTEST_NAME}


def _tokens() -> set[str]:
    """Values in the environment that are secrets by their name."""
    secret = re.compile(r"TOKEN|SECRET|PASSWORD|API_?KEY|CREDENTIAL")
    return {value for name, value in os.environ.items() if secret.search(name) and len(value) >= 8}


def _without(text: str, names: list[str]) -> str:
    """The text with the public names taken out."""
    for name in names:
        text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", " ", text)
    return text

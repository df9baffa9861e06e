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
_PATHS = re.compile(
    r"(?<![\w./:>-])/(?:home|Users|root|tmp|var|mnt|media|opt|srv|private|work|workspace|data|scratch"
    r"|Volumes)/[^\s'\"`)]+"
    r"|\bfile://\S+|\b[A-Za-z]:\\[\w\\]+|(?<![\w./])~/\S+",
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
        if found := _find(_without(text, known), names, places):
            raise ConversionError(
                f"{name} holds {found}, which is private; nothing was published.",
                "Take it out of the model's name, metadata, licence or record and try again.",
            )


def _find(text: str, words: set[str], places: set[str]) -> str:
    """What kind of private thing is in a text; empty where there is none."""
    if _SECRETS.search(text) or any(secret in text for secret in _tokens()):
        return "a token or key"
    for place in places:
        if place in text:
            return "a folder of this machine"
    if path := _PATHS.search(text):
        return f"the path {path.group()}"
    for word in words:
        if _stands_for_an_account(word, text):
            return "the name of this user or machine"
    return ""


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

"""The HTTP client that the Hub's library works with while we publish.

It reaches the Hub's host, and those hosts that the Hub itself names as the place for the
weights; it never waits without end, and it never speaks plainly to what is not this machine.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from medllm.errors import ConversionError, NetworkRefusedError

from medconvert.publish.failure import AGAIN, LONGEST_WAIT_S, asked_wait, hub_refusal
from medconvert.publish.target import Target, is_local

_TIMEOUT_S = {"connect": 30.0, "read": 300.0, "write": 120.0, "pool": 30.0}
_ERRORS_ONLY = 40  # logging.ERROR
_BATCH = "/info/lfs/objects/batch"


@contextmanager
def hub_client(target: Target, hosts: set[str]) -> Iterator[None]:
    """Gives the Hub's library our client for as long as it lasts.

    Args:
        target: where to publish.
        hosts: hosts that may be reached; the Hub's upload addresses are added to it.
    """
    import huggingface_hub
    from huggingface_hub import constants
    from huggingface_hub.utils import _http, disable_progress_bars, logging  # type: ignore[attr-defined]

    library = _http_library(huggingface_hub)
    usual = _http.default_client_factory

    def client() -> Any:
        return library.Client(
            transport=_transport(library, target, hosts),
            follow_redirects=True,
        )

    # Its warnings quote addresses that carry signatures.
    verbosity, xet = logging.get_verbosity(), constants.HF_HUB_DISABLE_XET
    logging.set_verbosity(_ERRORS_ONLY)
    # Xet's native code opens sockets that neither the guard nor this client sees.
    constants.HF_HUB_DISABLE_XET = True
    huggingface_hub.set_client_factory(client)
    try:
        with disable_progress_bars():
            yield
    finally:
        huggingface_hub.set_client_factory(usual)
        constants.HF_HUB_DISABLE_XET = xet
        logging.set_verbosity(verbosity)


def proxies(host: str) -> list[str]:
    """Addresses of the proxies that the environment names for a host."""
    from urllib.request import getproxies, proxy_bypass

    if is_local(host) or proxy_bypass(host):
        return []
    return [address for scheme, address in getproxies().items() if scheme in ("https", "all")]


def _http_library(hub: Any) -> Any:
    """httpx or its successor, whichever this version of the Hub's library is built on."""
    return import_module(type(hub.get_session()).__module__.partition(".")[0])


def _transport(library: Any, target: Target, hosts: set[str]) -> Any:
    proxy = next(iter(proxies(target.host)), None)

    class Transport(library.BaseTransport):  # type: ignore[misc]
        """Checks each request's host before it goes, and each answer for what it means."""

        def __init__(self) -> None:
            self.wire = library.HTTPTransport(proxy=proxy, retries=0)

        def handle_request(self, request: Any) -> Any:
            url = request.url
            plain = url.scheme != "https" and not is_local(url.host)
            inwards = is_local(url.host) and not is_local(target.host)
            if url.host.lower() not in hosts or plain or inwards:
                raise NetworkRefusedError(
                    f"The Hub sent us on to {url.host}, which is not one of its hosts.",
                    "Nothing was sent there. Check HF_ENDPOINT.",
                )
            # The library asks for no limit in places.
            request.extensions["timeout"] = _TIMEOUT_S
            answer = self.wire.handle_request(request)
            wait = asked_wait(answer.headers)
            if answer.status_code in AGAIN and wait is not None and wait > LONGEST_WAIT_S:
                answer.close()
                raise hub_refusal(answer.status_code, target.name, wait)
            if url.path.endswith(_BATCH) and answer.status_code == 200:
                hosts.update(_upload_hosts(answer.read()))
            return answer

        def close(self) -> None:
            self.wire.close()

    return Transport()


def _upload_hosts(answer: bytes) -> set[str]:
    """The hosts in an answer of the LFS batch API (git-lfs, docs/api/batch.md)."""
    found: set[str] = set()
    try:
        for wanted in json.loads(answer)["objects"]:
            for action in (wanted.get("actions") or {}).values():
                # The addresses of a file in parts stand among the headers, by their numbers.
                parts = [v for k, v in (action.get("header") or {}).items() if k.isdigit()]
                for address in (action["href"], *parts):
                    found.add((urlsplit(address).hostname or "").lower())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConversionError(
            "The Hub's answer on where the weights go can't be read.", "Try again later."
        ) from error
    return found - {""}

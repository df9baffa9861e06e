"""The offline guard: an audit hook that counts and refuses connections beyond this machine.

It is switched on in every process that answers questions, the engine host
included, and can't be switched off again. Only `medtui pull` and `medtrain` with a
Hub id run without it; the process in which `medconvert --publish` sends runs with
it, and with a list of the hosts that it may reach.
"""

import ipaddress
import sys
import threading
from collections.abc import Collection
from typing import Any

from medllm.errors import NetworkRefusedError

# socket.AF_INET is 2 everywhere; AF_INET6 differs by platform and is looked up when first needed.
_LOCAL_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost"})
_ADDRESSED = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg", "socket.bind"})
_NAMED = frozenset(
    {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"}
)


class _Guard:
    def __init__(self) -> None:
        self.installed = False
        self.allow_loopback = False
        self.hosts: Collection[str] = ()
        self.addresses: set[str] = set()
        self.refused = 0
        self.lock = threading.Lock()

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        """The audit hook. Only socket events cost more than this comparison."""
        if not event.startswith("socket."):
            return
        if event == "socket.__new__" and _is_internet(args[1]):
            if not (self.allow_loopback or self.hosts):
                self._refuse("a network socket")
        elif event in _ADDRESSED and len(args) > 1 and isinstance(args[1], tuple):
            self._check_host(args[1][0], self.addresses)
        elif event in _NAMED:
            host = args[0][0] if isinstance(args[0], tuple) else args[0]
            self._check_host(host, self.hosts)

    def _check_host(self, host: object, permitted: Collection[str]) -> None:
        if self.allow_loopback and is_loopback(host):
            return
        if _name(host) not in permitted:
            self._refuse(f"a connection to {host!r}")

    def _refuse(self, what: str) -> None:
        with self.lock:
            self.refused += 1
        raise NetworkRefusedError(
            f"The offline guard refused {what}.",
            "Nothing leaves this machine but by medtui pull and by publishing.",
        )


_guard = _Guard()


def _name(host: object) -> str:
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    return text.lower() if isinstance(text, str) else ""


def is_loopback(host: object) -> bool:
    """Whether `host` is this machine: 127.0.0.0/8, ::1 or localhost. None and "" are not."""
    name = _name(host)
    if name in _LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _is_internet(family: object) -> bool:
    import socket

    # -1 stands for the default, which is AF_INET.
    return family in (-1, socket.AF_INET, getattr(socket, "AF_INET6", socket.AF_INET))


def install(allow_loopback: bool = False, hosts: Collection[str] = ()) -> None:
    """Switches the guard on for the rest of this process's life.

    Args:
        allow_loopback: lets connections to this machine pass, for an engine that
            is a server here. A later call can only take this back, not grant it.
        hosts: names, in small letters, that may be looked up, and whose addresses may be
            connected to. It is kept, not copied: who holds a set may add to it. A later
            call can only take this back, too.
    """
    if _guard.installed:
        _guard.allow_loopback = _guard.allow_loopback and allow_loopback
        _guard.hosts = hosts and _guard.hosts
        return
    _guard.installed, _guard.allow_loopback, _guard.hosts = True, allow_loopback, hosts
    if hosts:
        _remember_addresses()
    sys.addaudithook(_guard.hook)


def _remember_addresses() -> None:
    """Notes what the permitted names resolve to: a connection names only the address."""
    import socket

    look_up = socket.getaddrinfo

    def noting(*args: Any, **named: Any) -> Any:
        found = look_up(*args, **named)
        if _name(args[0] if args else named.get("host")) in _guard.hosts:
            _guard.addresses |= {str(entry[4][0]) for entry in found}
        return found

    socket.getaddrinfo = noting


def installed() -> bool:
    """Whether the guard is on."""
    return _guard.installed


def refused() -> int:
    """Connections refused so far in this process."""
    return _guard.refused

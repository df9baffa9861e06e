"""The offline guard, in processes of its own since it can't be switched off."""

import subprocess
import sys

import pytest
from medllm import guard

PROGRAM = """
import socket
from medllm import guard
from medllm.errors import NetworkRefusedError
guard.install({loopback})
server = None
{before}
try:
    {action}
except NetworkRefusedError as error:
    print("refused", guard.refused(), error.hint)
except OSError as error:
    print("passed to the system:", type(error).__name__)
else:
    print("done")
"""
LISTEN = (
    "server = socket.socket(); server.bind(('127.0.0.1', 0)); server.listen(); "
    "port = server.getsockname()[1]"
)


def run(action: str, loopback: bool = False, before: str = "") -> str:
    program = PROGRAM.format(action=action, loopback=loopback, before=before)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "action",
    [
        "socket.socket()",
        "socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)",
        "socket.create_connection(('192.0.2.1', 443), 1)",
        "socket.getaddrinfo('example.org', 443)",
        "socket.gethostbyname('example.org')",
        "__import__('urllib.request').request.urlopen('http://127.0.0.1:9/')",
    ],
)
def test_everything_is_refused_without_loopback(action: str) -> None:
    assert run(action).startswith("refused 1 ")


@pytest.mark.parametrize(
    "action",
    [
        "socket.create_connection(('192.0.2.1', 443), 1)",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))",
        "socket.socket().bind(('0.0.0.0', 0))",
        "socket.getaddrinfo('example.org', 443)",
        "socket.socket().connect(('', 9))",
    ],
)
def test_with_loopback_the_rest_of_the_world_is_refused(action: str) -> None:
    assert run(action, loopback=True).startswith("refused 1 ")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_passes_where_it_is_allowed(host: str) -> None:
    action = f"socket.create_connection(('{host}', port), 5)"
    assert run(action, loopback=True, before=LISTEN) == "done\n"


def test_loopback_can_be_taken_back_but_not_granted() -> None:
    assert run("guard.install(True); socket.socket()").startswith("refused")
    assert run("guard.install(False); socket.socket()", loopback=True).startswith("refused")


HOSTS = """
import socket
from medllm import guard
from medllm.errors import NetworkRefusedError
answers = {{"hub.example": "192.0.2.7", "other.example": "192.0.2.8"}}
# Stands for the system's resolver, which is out of reach here.
socket.getaddrinfo = lambda host, port, *rest, **named: [
    (socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers.get(host, host), port))
]
hosts = {{"hub.example"}}
guard.install(hosts=hosts)
def reach(*address):
    try:
        socket.create_connection(address, 0.01)
    except NetworkRefusedError:
        return "refused"
    except OSError:
        return "passed"
{action}
"""


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ("print(reach('hub.example', 443))", "passed"),
        ("print(reach('192.0.2.7', 443))", "refused"),
        ("socket.getaddrinfo('hub.example', 1); print(reach('192.0.2.7', 443))", "passed"),
        ("socket.getaddrinfo('hub.example', 1); print(reach('192.0.2.8', 443))", "refused"),
        ("print(reach('other.example', 443))", "refused"),
        ("print(reach('127.0.0.1', 9))", "refused"),
        ("hosts.add('other.example'); print(reach('other.example', 443))", "passed"),
        ("guard.install(); print(reach('hub.example', 443))", "refused"),
        ("guard.install(hosts={{'other.example'}}); print(reach('other.example', 443))", "refused"),
    ],
)
def test_named_hosts_pass_and_no_others(action: str, said: str) -> None:
    program = HOSTS.format(action=action.format())
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout.strip() == said, done.stderr


def test_pipes_and_local_sockets_pass() -> None:
    assert (
        run("socket.socketpair(); __import__('asyncio').run(__import__('asyncio').sleep(0))")
        == "done\n"
    )


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("LOCALHOST", True), (b"127.0.0.1", True),
        ("", False), (None, False), ("0.0.0.0", False), ("10.0.0.1", False),
        ("localhost.example.org", False), ("127.0.0.1.example.org", False), ("::", False),
    ],
)  # fmt: skip
def test_what_counts_as_this_machine(host: object, local: bool) -> None:
    assert guard.is_loopback(host) is local

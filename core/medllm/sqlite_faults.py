"""What to do about a SQLite file that can't be used: it depends on what SQLite says."""

from medllm.errors import StorageError

_BUSY = ("SQLITE_BUSY", "SQLITE_LOCKED")
_CLOSED = ("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")
_NO_ROOM = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_NOMEM")


def fault(what: str, error: Exception, anew: str) -> StorageError:
    """The error that a user sees.

    Args:
        what: what could not be done, a sentence without its end.
        error: of SQLite, or of the system.
        anew: how a damaged file is made again.
    """
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(_BUSY):
        hint = "Another program is writing it: wait until it has ended."
    elif name.startswith(_CLOSED) or isinstance(error, PermissionError):
        hint = "Look at its rights, or set MEDLLM_HOME to a folder that can be written."
    elif name.startswith(_NO_ROOM):
        hint = "Free some space; what it held is as it was."
    else:
        hint = anew
    reason = getattr(error, "strerror", None) or error
    return StorageError(f"{what}: {reason}.", hint)

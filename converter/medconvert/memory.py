"""The peak of anonymous memory: what a conversion really takes, mapped files not counted."""

import threading
from pathlib import Path
from types import TracebackType

_STATUS = Path("/proc/self/status")
_EVERY = 0.05


class AnonymousPeak:
    """Watches this process while it is open; `mb` is None where the system doesn't say."""

    def __init__(self) -> None:
        self.mb: float | None = None
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="memory", daemon=True)

    def __enter__(self) -> "AnonymousPeak":
        self._sample()
        self._watcher.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._stop.wait(_EVERY):
            self._sample()

    def _sample(self) -> None:
        try:
            lines = _STATUS.read_text().splitlines()
        except OSError:
            return
        for line in lines:
            if line.startswith("RssAnon:"):
                self.mb = max(self.mb or 0.0, round(int(line.split()[1]) / 1000, 1))

"""The journal of a pretend server: one line an event, written before the event's answer goes out."""

import threading


class Journal:
    """Appends lines to a file that the test reads. Thread-safe."""

    def __init__(self, path):
        self._file = open(path, "a", buffering=1, encoding="utf-8", errors="backslashreplace")
        self._lock = threading.Lock()

    def write(self, *words):
        line = " ".join(str(word).replace("\n", "\\n") for word in words)
        with self._lock:
            self._file.write(line + "\n")

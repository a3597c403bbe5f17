"""Programs under test: started in a network namespace, killed, frozen, started again."""

import os
import signal
import subprocess
import threading


class Program:
    """One long-running program. Thread-safe. `wanted` tells deaths that the test ordered from others."""

    def __init__(self, name, argv, log, netns=None, env=None):
        self.name = name
        self._argv = (["nsenter", f"--net=/run/netns/{netns}", "--"] if netns else []) + argv
        self._log = log
        self._env = {**os.environ, **(env or {})}
        self._process = None
        self._lock = threading.Lock()
        self.wanted = False

    def start(self, env=None):
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                return
            with open(self._log, "ab") as log:
                self._process = subprocess.Popen(
                    self._argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                    start_new_session=True, env={**self._env, **(env or {})})
            self.wanted = True

    def kill(self, number=signal.SIGKILL, timeout=30):
        """Ends it; it is gone afterwards."""
        with self._lock:
            self.wanted = False
            if self._process is None:
                return
            if self._process.poll() is None:
                self._process.send_signal(number)
                if number != signal.SIGKILL:
                    try:
                        self._process.wait(timeout)
                    except subprocess.TimeoutExpired:
                        self._process.kill()
            self._process.wait()

    def freeze(self):
        self._signal(signal.SIGSTOP)

    def thaw(self):
        self._signal(signal.SIGCONT)

    def _signal(self, number):
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                self._process.send_signal(number)

    def running(self):
        with self._lock:
            return self._process is not None and self._process.poll() is None

    def died(self):
        """Its status if it ended and nobody wanted that; else None."""
        with self._lock:
            if not self.wanted or self._process is None:
                return None
            return self._process.poll()


def run(argv, check=True, timeout=60, text=None):
    """Runs a command to its end; its output. Raises with the output when it fails."""
    done = subprocess.run(argv, input=text, text=True, capture_output=True, timeout=timeout,
                          check=False)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout if check else done.stdout + done.stderr

"""What really ran where: as the sandboxes tell it themselves, and as the kernel's cgroups show it."""

import glob
import os
import socket
import threading
import time

from topology import JOURNAL

PORT = 9999
SAMPLE_SECONDS = 0.1
# Runs in the sandbox in the background until its container ends, and tells which container that is,
# by the start of its PID 1: session, container, time.
LOOP = ("read -r s </proc/1/stat; s=(${s##*) }); exec 9<><(:); while :; do "
        f"echo \"$1 ${{s[19]}} $EPOCHREALTIME\" >/dev/udp/{JOURNAL}/{PORT}; read -t 0.25 -u 9; done")


def loop_command(session):
    script = "setsid bash -c \"$0\" loop \"$1\" </dev/null >/dev/null 2>&1 &"
    return ["bash", "-c", script, LOOP, session.id]


class Journal:
    """Listens to the loops. Thread-safe."""

    def __init__(self):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((JOURNAL, PORT))
        self._lock = threading.Lock()
        self._seen = {}  # session -> container -> [first, last]
        self.words = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            words = self._socket.recv(512).decode(errors="replace").split()
            if len(words) != 3:
                continue
            at = float(words[2])
            with self._lock:
                self.words += 1
                span = self._seen.setdefault(words[0], {}).setdefault(int(words[1]), [at, at])
                span[0] = min(span[0], at)
                span[1] = max(span[1], at)

    def overlaps(self):
        """One line for each container that went on after a later one of its session had begun."""
        found = []
        with self._lock:
            for session, containers in self._seen.items():
                ordered = sorted(containers.items())
                for (old, span), (new, later) in zip(ordered, ordered[1:]):
                    if span[1] > later[0]:
                        found.append(f"{session}: the container that began at tick {old} went on for "
                                     f"{span[1] - later[0]:.3f} s beside that of tick {new}")
        return found


class Sampler:
    """Looks every 100 ms which sessions have processes under which node's cgroups. Thread-safe."""

    def __init__(self, nodes):
        self._nodes = nodes
        self._lock = threading.Lock()
        self._last = {}  # session -> node -> (first, last) as wall-clock times
        self.doubles = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._end.wait(SAMPLE_SECONDS):
            self.sample()

    def sample(self):
        where = {}
        for node in self._nodes:
            for session in populated(node):
                where.setdefault(session, []).append(node.name)
        now = time.time()
        with self._lock:
            for session, names in where.items():
                if len(names) > 1:
                    self.doubles.append(f"{session} has processes on {' and '.join(names)}")
                for name in names:
                    first, _ = self._last.setdefault(session, {}).get(name, (now, now))
                    self._last[session][name] = (first, now)

    def seen(self, session):
        """node name -> (first, last) time at which it had processes there."""
        with self._lock:
            return dict(self._last.get(session, {}))

    def close(self):
        self._end.set()
        self._thread.join()


def subtrees(node):
    """The node's cgroup subtree in each hierarchy; first one in which every process of a session is."""
    below = f"paddock/{node.slot}"
    paths = [f"/sys/fs/cgroup/{below}", f"/sys/fs/cgroup/memory/{below}"]
    paths += sorted(set(glob.glob(f"/sys/fs/cgroup/*/{below}")) - set(paths))
    return [path for path in paths if os.path.isdir(path)]


def cgroup_sessions(node):
    """Every session with a cgroup there, with or without processes."""
    found = set()
    for subtree in subtrees(node):
        found |= {entry.name for entry in os.scandir(subtree)
                  if entry.is_dir() and entry.name.startswith("sesn_")}
    return found


def builds(node):
    """Builds with at least one process on the node."""
    return {name for tree in subtrees(node)[:1] for name in os.listdir(tree)
            if name.startswith("build_") and _has_process(f"{tree}/{name}")}


def populated(node):
    """Sessions with at least one process on the node."""
    trees = subtrees(node)
    found = set()
    if not trees:
        return found
    for name in os.listdir(trees[0]):
        if name.startswith("sesn_") and _has_process(f"{trees[0]}/{name}"):
            found.add(name)
    return found


def pids_of(node, session):
    found = []
    for subtree in subtrees(node)[:1]:
        for directory, _, _ in os.walk(f"{subtree}/{session}"):
            try:
                with open(f"{directory}/cgroup.procs", encoding="ascii") as file:
                    found += [int(line) for line in file]
            except OSError:
                pass
    return sorted(found)


def _has_process(directory):
    for inner, _, _ in os.walk(directory):
        try:
            with open(f"{inner}/cgroup.procs", encoding="ascii") as file:
                if file.read(1):
                    return True
        except OSError:
            pass  # It has just gone.
    return False

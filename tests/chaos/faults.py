"""What goes wrong, when: a schedule that follows from a seed alone, and how each fault is made and
mended."""

import contextlib
import ctypes
import os
import random
import signal
import threading
import time
from dataclasses import dataclass

import journal
from system import LEASE, LOST_AFTER, NODES, REPLICAS

# Kind, weight, shortest and longest duration in seconds, what it is done to.
KINDS = [
    ("kill-replica", 4, 0.0, 3.0, "replica"),
    ("stop-replica", 2, 0.5, 3.0, "replica"),
    ("freeze-replica", 3, LEASE, LEASE + 4, "replica"),
    ("kill-agent", 5, 0.0, 4.0, "node"),
    ("stop-agent", 2, 0.5, 4.0, "node"),
    ("freeze-agent", 3, LEASE, LOST_AFTER + 4, "node"),
    ("kill-gateway", 4, 0.0, 0.0, "node"),
    ("kill-node", 2, LOST_AFTER + 2, LOST_AFTER + 5, "node"),
    ("reboot-node", 3, 0.0, 3.0, "node"),
    ("kill-database", 3, 0.0, 4.0, ""),
    ("freeze-database", 2, 2.0, LEASE + 3, ""),
    ("partition-both", 4, 2.0, LOST_AFTER + 5, "node"),
    ("partition-in", 3, 2.0, LOST_AFTER, "node"),
    ("partition-out", 3, 2.0, LOST_AFTER + 5, "node"),
    ("delay", 3, 3.0, 10.0, "node"),
    ("loss", 3, 3.0, 10.0, "node"),
    ("kill-container", 5, 0.0, 0.0, ""),
    ("kill-build", 5, 2.0, 8.0, ""),
    ("fill-disk", 2, 5.0, 10.0, "node"),
    ("clock-replica", 2, 3.0, 8.0, "replica"),
    ("clock-agent", 2, 3.0, 8.0, "node"),
    ("clock-database", 2, 3.0, 8.0, ""),
]


@dataclass(frozen=True)
class Fault:
    """`at` and `lasts` in seconds; `target` counts from 0; `dice` for choices at the time itself."""
    at: float
    kind: str
    target: int
    lasts: float
    dice: int

    def __str__(self):
        return f"{self.at:6.1f} s  {self.kind:<16} {self.target}  for {self.lasts:4.1f} s"


def schedule(seed, seconds, kinds=None):
    """Faults of one stretch: at most a few at a time, each over before the stretch is; a target is
    left alone while something is done to it."""
    rng = random.Random(f"{seed}/faults")
    choice = [kind for kind in KINDS if kinds is None or kind[0] in kinds]
    busy, faults, at = {}, [], 1.0
    while at < seconds:
        kind, _, low, high, target = rng.choices(choice, [k[1] for k in choice])[0]
        number = {"replica": rng.randrange(REPLICAS), "node": rng.randrange(NODES)}.get(target, 0)
        lasts = round(rng.uniform(low, high), 1)
        dice = rng.getrandbits(32)
        gap = rng.uniform(0.5, 5.0)
        key = (target or kind.split("-")[-1], number)
        if busy.get(key, 0) <= at and at + lasts <= seconds:
            faults.append(Fault(round(at, 1), kind, number, lasts, dice))
            busy[key] = at + lasts + 1.0
        at += gap
    return faults


class Injector:
    """Makes and mends. Each fault runs on a thread of its own."""

    def __init__(self, system, history, api):
        self._system = system
        self._history = history
        self._api = api

    def play(self, faults, ending):
        """Returns when the last one is mended."""
        began = time.monotonic()
        threads = []
        for fault in faults:
            if ending.wait(max(0, began + fault.at - time.monotonic())):
                break
            print(f"    {fault}", flush=True)
            thread = threading.Thread(target=self._one, args=(fault, ending))
            thread.start()
            threads.append(thread)
        for thread in threads:
            thread.join()

    def _one(self, fault, ending):
        try:
            getattr(self, "_" + fault.kind.replace("-", "_"))(fault, lambda: ending.wait(fault.lasts))
        except Exception as error:  # pylint: disable=broad-except
            self._history.violate(f"the test could not {fault.kind} {fault.target}: {error!r}")

    def _replica(self, fault):
        return self._system.replicas[fault.target]

    def _node(self, fault):
        return self._system.nodes[fault.target]

    def _kill_replica(self, fault, wait):
        self._replica(fault).kill()
        wait()
        self._replica(fault).start()

    def _stop_replica(self, fault, wait):
        self._replica(fault).kill(signal.SIGTERM)
        wait()
        self._replica(fault).start()

    def _freeze_replica(self, fault, wait):
        self._replica(fault).freeze()
        wait()
        self._replica(fault).thaw()

    def _kill_agent(self, fault, wait):
        self._node(fault).agent.kill()
        wait()
        self._node(fault).agent.start()

    def _stop_agent(self, fault, wait):
        self._node(fault).agent.kill(signal.SIGTERM)
        wait()
        self._node(fault).agent.start()

    def _freeze_agent(self, fault, wait):
        self._node(fault).agent.freeze()
        wait()
        self._node(fault).agent.thaw()

    def _kill_gateway(self, fault, wait):
        self._node(fault).kill_gateway()
        wait()

    def kill_node(self, node):
        """The machine stops: every process of the node at once."""
        node.agent.kill()
        node.kill_gateway()
        for sandbox in journal.populated(node) | journal.builds(node):
            for pid in journal.pids_of(node, sandbox):
                _kill(pid)

    def _kill_node(self, fault, wait):
        self._reboot_node(fault, wait)

    def _reboot_node(self, fault, wait):
        node = self._node(fault)
        self.kill_node(node)
        node.cleanup()
        wait()
        node.agent.start()

    def _kill_database(self, fault, wait):
        self._system.database.kill()
        wait()
        self._system.database.start()

    def _freeze_database(self, fault, wait):
        self._system.database.freeze()
        wait()
        self._system.database.thaw()

    def _partition(self, fault, direction, wait):
        self._system.topology.partition(self._node(fault).host, direction)
        wait()
        self._system.topology.heal(self._node(fault).host)

    def _partition_both(self, fault, wait):
        self._partition(fault, "both", wait)

    def _partition_in(self, fault, wait):
        self._partition(fault, "in", wait)

    def _partition_out(self, fault, wait):
        self._partition(fault, "out", wait)

    def _delay(self, fault, wait):
        self._system.topology.delay(self._node(fault).host)
        wait()
        self._system.topology.heal(self._node(fault).host)

    def _loss(self, fault, wait):
        self._system.topology.lose(self._node(fault).host, 15)
        wait()
        self._system.topology.heal(self._node(fault).host)

    def _kill_container(self, fault, wait):
        """The sandbox's PID 1, from outside."""
        candidates = [(node, session) for node in self._system.nodes
                      for session in sorted(journal.populated(node))]
        if not candidates:
            return
        node, session = candidates[fault.dice % len(candidates)]
        self._history.excuse(session, "its container was killed")
        for pid in journal.pids_of(node, session):
            if _is_first(pid):
                _kill(pid)
        wait()

    def _kill_build(self, fault, wait):
        """All of it at once, halfway; the next one if there is none now."""
        deadline = time.monotonic() + fault.lasts
        while time.monotonic() < deadline:
            candidates = [(node, build) for node in self._system.nodes
                          for build in sorted(journal.builds(node))]
            if candidates:
                node, build = candidates[fault.dice % len(candidates)]
                self._history.done["build killed"] += 1
                for pid in journal.pids_of(node, build):
                    _kill(pid)
                return
            time.sleep(0.05)

    def _clock_replica(self, fault, wait):
        self._step(self._replica(fault).name, fault, wait)

    def _clock_agent(self, fault, wait):
        """And of its gateway process: they are on one machine."""
        self._step(self._node(fault).name, fault, wait)

    def _clock_database(self, fault, wait):
        self._step("database", fault, wait)

    def _step(self, whose, fault, wait):
        """There and back."""
        self._system.step_clock(whose, fault.dice % 7200 - 3600)
        wait()
        self._system.step_clock(whose, 0)

    def _fill_disk(self, fault, wait):
        """Of the node's volumes, by somebody else."""
        node = self._node(fault)
        self._history.full_nodes.add(node.id)
        with self.full_disk(node):
            wait()

    @contextlib.contextmanager
    def full_disk(self, node):
        path = f"{node.directory}/volumes/fill"
        try:
            _fill(path)
            yield
        finally:
            os.unlink(path)


def _kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _is_first(pid):
    """Whether it is PID 1 of its namespace."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("NSpid:"):
                    return line.split()[-1] == "1"
    except OSError:
        pass
    return False


def _fill(path):
    libc = ctypes.CDLL(None, use_errno=True)
    with open(path, "wb") as file:
        size = 256 << 20
        offset = 0
        while size >= 1 << 20:
            if libc.fallocate(file.fileno(), 0, ctypes.c_long(offset), ctypes.c_long(size)) == 0:
                offset += size
            else:
                size //= 2

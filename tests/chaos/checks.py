"""The invariants, looked up where they are true or not: database, kernel, disks, and the clients' own
history."""

import os
import time

import grpc

import journal
import packages
from api import RUNNING, TERMINATED, state_name
from programs import run

UNSETTLED = ("SELECT id, state, reason FROM sessions WHERE state IN "
             "('PENDING', 'STARTING', 'RESCHEDULING', 'STOPPING')")
IMAGES = "SELECT id, image FROM environments WHERE image_unsettled"
BUILDS = "SELECT build_id, manager, node_id FROM builds WHERE holder <> ''"
STOPS = ("SELECT session_id, generation, node_id, stop_reason FROM placements "
         "WHERE stop AND released_at IS NULL")
LIVE = "SELECT node_id, session_id FROM placements WHERE released_at IS NULL AND NOT stop"
# Every column of every node that isn't the sum of what is placed there.
ALLOCATIONS = """
SELECT s.node_id, s.used_cpu, s.used_memory, s.used_disk, s.used_sessions,
       p.cpu, p.memory, p.disk, p.sessions
  FROM node_state s
  LEFT JOIN LATERAL (SELECT coalesce(sum(cpu), 0) AS cpu, coalesce(sum(memory), 0) AS memory,
                            coalesce(sum(disk), 0) AS disk, count(*) AS sessions
                       FROM placements WHERE node_id = s.node_id AND released_at IS NULL) p ON true
 WHERE (s.used_cpu, s.used_memory, s.used_disk, s.used_sessions)
       <> (p.cpu, p.memory, p.disk, p.sessions)"""
DOUBLES = ("SELECT session_id, count(*) FROM placements WHERE released_at IS NULL AND NOT fenced "
           "GROUP BY session_id HAVING count(*) > 1")
# What a session that is gone still holds on a node.
ORPHANS = ("SELECT session_id, node_id FROM placements WHERE released_at IS NULL "
           "AND session_id NOT IN (SELECT id FROM sessions)")
READY_PAIRS = 4
NODE_READY = 1
UPLINK = "uplink"  # The router's own veth.


class Checks:
    def __init__(self, system, history, api, sampler, journal_):
        self._system = system
        self._history = history
        self._api = api
        self._sampler = sampler
        self._journal = journal_
        self._mounts = None

    def settle(self, seconds):
        """Waits until nothing is on its way any more; what still is when the time is over."""
        deadline = time.monotonic() + seconds
        while True:
            left = self._unsettled()
            if not left or time.monotonic() > deadline:
                return left
            time.sleep(0.25)

    def _unsettled(self):
        try:
            left = [f"{program.name} ended with {program.died()}"
                    for program in self._system.programs() if program.died() is not None]
            left += [f"session {' '.join(row)}" for row in self._system.database.query(UNSETTLED)]
            left += [f"image of {' '.join(row)}" for row in self._system.database.query(IMAGES)]
            left += [f"build {' '.join(row)}" for row in self._system.database.query(BUILDS)]
            left += [f"stop {' '.join(row)}" for row in self._system.database.query(STOPS)]
            nodes = self._api.nodes()
            for node in self._system.nodes:
                if node.name not in nodes:
                    left.append(f"{node.name} hasn't registered")
                elif nodes[node.name].state != NODE_READY or nodes[node.name].state_reason:
                    left.append(f"{node.name} isn't ready: {nodes[node.name].state_reason}")
            return left + self._leaks()
        except (RuntimeError, grpc.RpcError) as error:
            return [f"can't look: {str(error)[:200]}"]

    def _leaks(self):
        """What is on a node without a placement there, or the other way round."""
        left = []
        placed = {}
        for node_id, session in self._system.database.query(LIVE):
            placed.setdefault(node_id, set()).add(session)
        for node in self._system.nodes:
            wanted = placed.get(node.id, set())
            for what, found in census(node).items():
                left += [f"{node.name}: {what} of {session} without a placement"
                         for session in sorted(found - wanted)]
                left += [f"{node.name}: no {what} of {session}" for session in sorted(wanted - found)]
            left += [f"{node.name}: {what}" for what in foreign(node)]
            left += self._network(node, len(wanted))
        mounts = self._count_mounts()
        if self._mounts is not None and mounts != self._mounts:
            left.append(f"{mounts} mounts instead of {self._mounts}")
        return left

    def _network(self, node, sessions):
        router = f"--net={node.directory}/state/gateway/router.netns"
        links = [line for line in run(["nsenter", router, "--", "ip", "-o", "link", "show", "type",
                                       "veth"]).splitlines() if UPLINK not in line]
        left = []
        if len(links) != sessions + READY_PAIRS:
            left.append(f"{node.name}: {len(links)} veths for {sessions} sessions and "
                        f"{READY_PAIRS} pairs made ahead")
        elements = run(["nsenter", router, "--", "nft", "list", "set", "inet", "paddock",
                        "unrestricted"]).count(" . ") - 1  # One in the set's type.
        if elements != sessions:
            left.append(f"{node.name}: {elements} elements for {sessions} sessions")
        return left

    def remember_mounts(self):
        """Before there is any session."""
        self._mounts = self._count_mounts()

    def _count_mounts(self):
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            return sum(1 for line in file if self._system.home in line)

    def check(self):
        """At a quiet point."""
        for row in self._system.database.query(ALLOCATIONS):
            self._history.violate(f"allocations of {row[0]} are {row[1:5]}, its sessions' {row[5:]}")
        for row in self._system.database.query(DOUBLES):
            self._history.violate(f"{row[0]} has {row[1]} placements that aren't fenced")
        for row in self._system.database.query(ORPHANS):
            self._history.violate(f"{row[0]} is gone, and placed on {row[1]}")
        for text in self._journal.overlaps() + self._sampler.doubles:
            self._history.violate(f"two at once: {text}")
        self._check_sessions()
        self._check_uids()
        self._check_layers()

    def _check_layers(self):
        """What was built is whole, or isn't there."""
        for node in self._system.nodes:
            for name, whole in packages.installed(f"{node.directory}/volumes/layers").items():
                if not whole:
                    self._history.violate(f"{node.name} has a layer with a part of {name}")

    def _check_sessions(self):
        listed = {session.id: session for session in self._api.list_sessions()}
        for known in self._history.all():
            session = listed.get(known.id)
            if known.deleted:
                if session is not None:
                    self._history.violate(f"{known.id} was deleted, and is listed")
                continue
            if session is None:
                self._history.violate(f"{known.id} was acknowledged, and is gone")
                continue
            # Nobody changes anything now: what was told before is in the database still.
            if session.revision < known.revision:
                self._history.violate(f"{known.id}: revision {known.revision} was told, and "
                                      f"{session.revision} is listed")
            self._history.observe(session, "list")
            if session.state not in (RUNNING, TERMINATED):
                self._history.violate(f"{known.id} is {state_name(session.state)} at a quiet point: "
                                      f"{session.state_reason}")

    def _check_uids(self):
        """Ranges are the node's own, and no two sandboxes' are the same."""
        seen = {}
        for node in self._system.nodes:
            for session in journal.populated(node):
                base = _uid_base(journal.pids_of(node, session))
                if base is None:
                    continue
                if not node.uid_base <= base < node.uid_base + 2048 * 65536:
                    self._history.violate(f"{session} on {node.name} has uids from {base}")
                if base in seen:
                    self._history.violate(f"{session} and {seen[base]} share uids from {base}")
                seen[base] = session

    def check_watches(self, watches):
        """At the very end: every one has heard the end."""
        for watch in watches:
            deadline = time.monotonic() + 10
            while not watch.ended and time.monotonic() < deadline:
                time.sleep(0.05)
            if not watch.ended:
                self._history.violate(f"a watch of {watch.id} never ended; its last state is "
                                      f"{watch.state and state_name(watch.state)}")


def census(node):
    """Sessions that have something on a node, by what they have."""
    state = f"{node.directory}/state"
    return {
        "cgroup": journal.cgroup_sessions(node),
        "process": journal.populated(node),
        "record": _names(f"{state}/sessions"),
        "volume": _names(f"{node.directory}/volumes/sessions"),
        "policy": {name.rsplit(".", 1)[0] for name in _names(f"{state}/gateway/sessions")},
    }


def foreign(node):
    """What builds and proofs of the runtimes left, beside sessions."""
    found = [f"cgroup {entry.name}" for tree in journal.subtrees(node) for entry in os.scandir(tree)
             if entry.is_dir() and not entry.name.startswith("sesn_")]
    for directory in (f"{node.directory}/state/sessions", f"{node.directory}/volumes/sessions"):
        if os.path.isdir(directory):
            found += [f"{directory}/{name}" for name in os.listdir(directory)
                      if not name.startswith("sesn_")]
    layers = f"{node.directory}/volumes/layers"
    if os.path.isdir(layers):
        found += [f"{layers}/{name}" for name in os.listdir(layers)
                  if name.startswith((".import-", ".trash-"))]
    return found


def _names(directory):
    try:
        return {name for name in os.listdir(directory) if name.startswith("sesn_")}
    except FileNotFoundError:
        return set()


def _uid_base(pids):
    for pid in pids:
        try:
            with open(f"/proc/{pid}/uid_map", encoding="ascii") as file:
                words = file.readline().split()
        except OSError:
            continue
        if len(words) == 3:
            return int(words[1])
    return None

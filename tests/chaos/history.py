"""What was acknowledged to clients, and what they saw. The checks hold the system to it."""

import threading
from collections import Counter

from api import RUNNING, TERMINATED, state_name


class SessionHistory:
    """One session as its client knows it. Guarded by History's lock."""

    def __init__(self, session, on_node_loss):
        self.id = session.id
        self.on_node_loss = on_node_loss
        self.generation = session.generation
        self.revision = session.revision
        self.state = session.state
        self.reason = session.state_reason
        self.deleted = False
        self.ran = False  # Somebody was told that it runs.
        self.excuse = ""  # Why it may have ended without being asked to.
        self.tokens = {}  # generation -> lines that an acknowledged command wrote
        self.looped = 0  # The generation whose loop was started.
        self.package = None  # What its environment has.
        self.proven = 0  # The generation in which that was found whole.
        self.environment = None  # Its own, which ends with it.


class History:
    """Thread-safe."""

    def __init__(self):
        self.lock = threading.Lock()
        self.sessions = {}
        self.violations = []
        self.errors = Counter()
        self.full_nodes = set()  # Ids of nodes whose disk was full at some time.
        self.done = Counter()
        self.newest_error = ""
        self.moves = 0  # Generations that followed a first one.

    def violate(self, text):
        with self.lock:
            self._violate(text)

    def _violate(self, text):
        if text not in self.violations:
            self.violations.append(text)
            print(f"    VIOLATION {text}", flush=True)

    def created(self, session, on_node_loss, excuse=""):
        with self.lock:
            self.done["create"] += 1
            known = self.sessions.setdefault(session.id, SessionHistory(session, on_node_loss))
            known.excuse = known.excuse or excuse
        self.observe(session, "create")
        return known

    def observe(self, session, source):
        """Any answer about a session: generation and revision only rise, TERMINATED is final."""
        with self.lock:
            known = self.sessions.get(session.id)
            if known is None:
                return
            if session.revision < known.revision:
                return  # An answer that was overtaken by another one; watches check their own order.
            if session.generation < known.generation:
                self._violate(f"{session.id}: generation went from {known.generation} to "
                              f"{session.generation} in {source}")
            was = state_name(known.state)
            if was == "TERMINATED" and session.state != known.state:
                self._violate(f"{session.id}: {state_name(session.state)} after TERMINATED in {source}")
            known.ran = known.ran or session.state == RUNNING
            if session.state == TERMINATED and not self._may_have_ended(known, session):
                self._violate(f"{known.id} ended by itself ({source}): {session.state_reason}")
            self.moves += session.generation - known.generation
            known.generation = session.generation
            known.revision = session.revision
            known.state = session.state
            known.reason = session.state_reason

    def _may_have_ended(self, known, session):
        reason = session.state_reason.split(":")[0]
        if reason == "NODE_LOST" and not known.ran:
            return True  # Its node was lost before it had started.
        if reason == "IMAGE_BUILD_FAILED" and self.full_nodes:
            return True
        return bool(known.excuse) or (session.node_id in self.full_nodes and
                                      reason in ("DISK_FULL", "START_FAILED"))

    def deleted(self, session_id):
        with self.lock:
            self.done["delete"] += 1
            self.sessions[session_id].deleted = True

    def excuse(self, session_id, why):
        with self.lock:
            if session_id in self.sessions:
                self.sessions[session_id].excuse = why

    def excuse_all_of(self, predicate, why):
        with self.lock:
            for session in self.sessions.values():
                if predicate(session):
                    session.excuse = why

    def wrote(self, session_id, generation, token):
        with self.lock:
            self.done["exec"] += 1
            self.sessions[session_id].tokens.setdefault(generation, []).append(token)

    def failed(self, method, error):
        with self.lock:
            self.errors[f"{method} {error.code().name}"] += 1
            self.newest_error = f"{method}: {error.code().name}: {error.details()[:300]}"
            if error.code().name in ("INTERNAL", "UNKNOWN", "DATA_LOSS", "UNIMPLEMENTED"):
                self._violate(f"{method} answered {error.code().name}: {error.details()[:300]}")

    def alive(self):
        with self.lock:
            return [s for s in self.sessions.values() if not s.deleted]

    def all(self):
        with self.lock:
            return list(self.sessions.values())

"""Clients that use the API all the time, remember what was acknowledged, and never give up a call."""

import random
import threading
import time

import grpc
from paddock.v1 import session_pb2

import journal
from api import (IMAGE_FAILED, KEEP, RESCHEDULE, RETRIED, RUNNING, TERMINATED, Code, Gone,
                 state_name)
from packages import Package

CLIENTS = 6
SESSIONS_EACH = 5
PACE_SECONDS = 0.08
# What environments of one run share, so that some wait for what others build.
SHARED_PACKAGES = 4


class Watch:
    """Follows one session through every break of the stream; checks that it only goes forward."""

    def __init__(self, api, history, session):
        self._api = api
        self._history = history
        self.id = session.id
        self.revision = 0
        self.reachable = None
        self.state = None
        self.ended = ""  # How: TERMINATED or NOT_FOUND.
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while not self._api.ending.is_set() and not self.ended:
            replica = self._api.replica()
            try:
                stream = replica.sessions.WatchSession(
                    session_pb2.WatchSessionRequest(session_id=self.id, after_revision=self.revision),
                    timeout=30, metadata=replica.metadata)
                # A watch goes on from a revision as if the node had been reachable then.
                self.reachable = True if self.revision else None
                for session in stream:
                    self._take(session)
                if self.state == TERMINATED:
                    self.ended = "TERMINATED"
                else:
                    self._history.violate(f"{self.id}: a watch ended with OK in {self.state}")
                    return
            except grpc.RpcError as error:
                self._history.failed("WatchSession", error)
                if error.code() == Code.NOT_FOUND:
                    self.ended = "NOT_FOUND"
                elif error.code() not in RETRIED:
                    self._history.violate(f"{self.id}: watch failed with {error.code().name}")
                    return
            self._api.ending.wait(0.2)

    def _take(self, session):
        # The same revision is told again when its node's reachability turns, and only then.
        told = session.revision == self.revision and session.node_reachable == self.reachable
        if session.revision < self.revision or told:
            self._history.violate(f"{self.id}: a watch went from revision {self.revision} to "
                                  f"{session.revision}")
        if self.state == TERMINATED:
            self._history.violate(f"{self.id}: a watch went on after TERMINATED")
        self.revision = session.revision
        self.reachable = session.node_reachable
        self.state = session.state
        self._history.observe(session, "watch")


class Client:
    """One user with an environment and a few sessions. Its choices depend on its seed alone."""

    def __init__(self, number, seed, api, history, gate):
        self.name = f"client-{number}"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._number = number
        self._seed = seed
        self._random = random.Random(f"{seed}/client/{number}")
        self._api = api
        self._history = history
        self._gate = gate
        self._counter = 0
        self._environment = None
        self._mine = []
        self.watches = []

    def start(self):
        self._thread.start()

    def _run(self):
        try:
            while not self._api.ending.is_set():
                with self._gate.inside():
                    self._step()
                self._api.ending.wait(self._random.uniform(0, 2 * PACE_SECONDS))
        except Gone:
            pass
        except grpc.RpcError as error:
            self._history.violate(f"{self.name} ended by {error.code().name}: {error.details()}")
        except Exception as error:  # pylint: disable=broad-except
            self._history.violate(f"{self.name} ended by {error!r}")

    def _name(self, what):
        self._counter += 1
        return f"{what}-{self._number}-{self._counter}-{self._random.getrandbits(48):x}"

    def _step(self):
        if self._environment is None:
            name = self._name("env")
            self._environment = self._api.create_environment(name, name).id
            return
        dice = self._random.random()
        if not self._mine or (dice < 0.15 and len(self._mine) < SESSIONS_EACH):
            self._create()
        elif dice < 0.70:
            self._execute(self._random.choice(self._mine))
        elif dice < 0.90:
            self._look(self._random.choice(self._mine))
        elif dice < 0.98:
            self._delete(self._random.choice(self._mine))
        else:
            self._side_environment()

    def _create(self):
        on_node_loss = self._random.choice([KEEP, RESCHEDULE])
        request_id = self._name("session")
        session = self._api.create_session(self._environment, on_node_loss, request_id)
        known = self._history.created(session, on_node_loss)
        if self._random.random() < 0.2:
            # As a client would that lost the answer.
            again = self._api.create_session(self._environment, on_node_loss, request_id)
            if again.id != session.id:
                self._history.violate(f"{request_id} made {session.id} and {again.id}")
        self._mine.append(known)
        if self._random.random() < 0.5:
            self.watches.append(Watch(self._api, self._history, session))

    def _look(self, known):
        try:
            session = self._api.get(known.id)
        except grpc.RpcError as error:
            self._history.violate(f"{known.id}: get answered {error.code().name}")
            self._mine.remove(known)
            return None
        self._history.observe(session, "get")
        self._history.done["get"] += 1
        if session.state == TERMINATED:
            self._delete(known)
            return None
        return session

    def _execute(self, known):
        session = self._look(known)
        if session is None or session.state != RUNNING:
            return
        try:
            if known.looped < session.generation:
                self._api.execute(known.id, journal.loop_command(session))
                known.looped = session.generation
            self._prove(known, session)
            token = self._name("token")
            code, out = self._api.execute(
                known.id, ["sh", "-c", f"echo {token} >>/workspace/tokens && cat /workspace/tokens"])
        except grpc.RpcError as error:
            if error.code() not in RETRIED + (Code.FAILED_PRECONDITION, Code.NOT_FOUND):
                self._history.violate(f"{known.id}: exec answered {error.code().name}: "
                                      f"{error.details()}")
            return
        if code != 0:
            if (code is None or code < 128) and session.node_id not in self._history.full_nodes:
                self._history.violate(f"{known.id}: exec ended with {code}: {out[-200:]}")
            return
        self._check_tokens(known, session, out.split())
        self._history.wrote(known.id, session.generation, token)

    def _check_tokens(self, known, session, lines):
        """Files are what acknowledged commands wrote: for ever with KEEP, else for a generation."""
        if known.on_node_loss == KEEP:
            wanted = [token for tokens in known.tokens.values() for token in tokens]
        else:
            after = self._look(known)
            if after is None or after.generation != session.generation:
                return
            wanted = known.tokens.get(session.generation, [])
        missing = [token for token in wanted if token not in lines]
        if missing:
            self._history.violate(f"{known.id} (generation {session.generation}, "
                                  f"{state_name(session.state)}): {len(missing)} of {len(wanted)} "
                                  f"acknowledged writes are missing, written in generations "
                                  f"{sorted(known.tokens)}, {len(lines)} are there")

    def _prove(self, known, session):
        """Its packages are there, and whole."""
        if known.package is None or known.proven == session.generation:
            return
        code, out = self._api.execute(known.id, known.package.command())
        if code == 0:
            known.proven = session.generation
            self._history.done["package proven"] += 1
        elif code is not None and code < 128 and session.node_id not in self._history.full_nodes:
            self._history.violate(f"{known.id}: {known.package.name} isn't whole: {out[-200:]}")

    def _delete(self, known):
        self._api.delete(known.id)
        self._history.deleted(known.id)
        self._mine.remove(known)
        if known.environment is not None:
            self._end_environment(known.environment)

    def _end_environment(self, environment_id):
        try:
            self._api.delete_environment(environment_id)
        except grpc.RpcError as error:
            if error.code() != Code.NOT_FOUND:
                raise

    def _side_environment(self):
        """Now and then one with a package: its image is built, or its build ends with it."""
        name = self._name("side")
        package = None
        if self._random.random() < 0.5:
            shared = self._random.randrange(SHARED_PACKAGES)
            own = self._random.random() < 0.3
            package = Package(f"chaos_{self._seed}_{name.replace('-', '_') if own else shared}",
                              self._random.choice([0.2, 2.0, 4.0]))
        specs = [package.spec] if package else []
        environment = self._api.create_environment(name, name, specs)
        again = self._api.create_environment(name, name, specs)
        if again.id != environment.id:
            self._history.violate(f"environment {name} was made twice")
        self._history.done["environment"] += 1
        if package is not None:
            known = self._session_of(environment.id, package)
            if known is not None and self._random.random() < 0.7:
                known.environment = environment.id
                self._mine.append(known)
                return
            if known is not None:
                self._api.delete(known.id)
                self._history.deleted(known.id)
        self._end_environment(environment.id)

    def _session_of(self, environment_id, package):
        """Waits for its image by itself. None when the image has failed, which only a full disk excuses."""
        on_node_loss = self._random.choice([KEEP, RESCHEDULE])
        try:
            session = self._api.create_session(environment_id, on_node_loss, self._name("packaged"),
                                               wait=0)
        except grpc.RpcError as error:
            if error.code() != Code.FAILED_PRECONDITION:
                raise
            image = self._api.environment(environment_id).image
            if image.state == IMAGE_FAILED and not self._history.full_nodes:
                self._history.violate(f"{package.name} wasn't built: {image.failure}")
            return None
        known = self._history.created(session, on_node_loss)
        known.package = package
        return known

    def clear(self):
        """At the end, from another thread: all of it is deleted."""
        for known in list(self._mine):
            self._delete(known)
        if self._environment is not None:
            self._end_environment(self._environment)
        self._environment = None


class Gate:
    """Open: clients work. Closed: they finish what they do and wait."""

    def __init__(self):
        self._condition = threading.Condition()
        self._closed = False
        self._inside = 0

    def inside(self):
        return self

    def __enter__(self):
        with self._condition:
            while self._closed:
                self._condition.wait()
            self._inside += 1

    def __exit__(self, *unused):
        with self._condition:
            self._inside -= 1
            self._condition.notify_all()

    def close(self, patience):
        """True once nobody is inside."""
        deadline = time.monotonic() + patience
        with self._condition:
            self._closed = True
            while self._inside > 0 and time.monotonic() < deadline:
                self._condition.wait(0.1)
            return self._inside == 0

    def open(self):
        with self._condition:
            self._closed = False
            self._condition.notify_all()

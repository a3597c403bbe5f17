"""One kind of failure after the other, with nothing else going on: what happens then, and when. What
is measured here is what README's table says."""

import contextlib
import os
import signal
import time

import grpc

import journal
from api import KEEP, RESCHEDULE, RUNNING, TERMINATED, Code, Gone
from fleet_drills import FleetDrills
from system import FENCE_AFTER, LOST_AFTER, NOT_READY_AFTER

# Of what the system may take beyond its times: a heartbeat, a round of the reconciler, two cores.
SLACK_SECONDS = 4.0


class Drills(FleetDrills):
    """Each drill is a method; it leaves the system as it found it."""

    ORDER = ["replica_is_killed", "agent_is_killed", "node_is_lost", "agent_is_frozen",
             "everything_is_down", "two_of_five_are_silent", "node_is_rebooted", "database_is_killed",
             "gateway_is_killed", "container_dies", "disk_is_full", "node_is_bad", "node_is_drained",
             "drain_is_overdue", "fleet_is_full", "builder_is_killed", "all_is_restarted"]

    def __init__(self, run):
        self._run = run
        self._api = run.api
        self._system = run.system
        self._history = run.history
        self._environment = run.api.create_environment("drills", "drills").id
        self._counter = 0

    def run(self, names):
        """All of them, in order, or those that are named."""
        for name in [name for name in self.ORDER if not names or name in names]:
            began = time.monotonic()
            before = len(self._history.violations)
            said = getattr(self, "_" + name)()
            self._clear(name)
            ok = len(self._history.violations) == before
            print(f"  {name.replace('_', ' ')}: {said}" + ("" if ok else "  FAILED") +
                  f"  ({time.monotonic() - began:.0f} s)", flush=True)
        self._api.delete_environment(self._environment)

    def _expect(self, truth, text):
        if not truth:
            self._history.violate(f"drill: {text}")

    def _name(self):
        self._counter += 1
        return f"drill-{self._counter}"

    def _create(self, on_node_loss=KEEP, node=None):
        """A RUNNING session, on `node` if that is given."""
        others = [n for n in self._system.nodes if node is not None and n is not node]
        with self._cordoned(others):
            session = self._api.create_session(self._environment, on_node_loss, self._name(), wait=10)
        self._history.created(session, on_node_loss)
        self._expect(session.state == RUNNING, f"a session doesn't start: {session.state_reason}")
        self._api.execute(session.id, journal.loop_command(session))
        return session

    @contextlib.contextmanager
    def _cordoned(self, nodes):
        for node in nodes:
            self._api.cordon(node.id)
        try:
            yield
        finally:
            for node in nodes:
                self._api.uncordon(node.id)

    def _until(self, seconds, what, condition):
        """How long it took; a violation when it took longer."""
        began = time.monotonic()
        while True:
            with contextlib.suppress(grpc.RpcError):
                if condition():
                    return time.monotonic() - began
            if time.monotonic() - began > seconds:
                self._expect(False, f"not within {seconds:.0f} s: {what}")
                return time.monotonic() - began
            time.sleep(0.05)

    def _moved(self, session):
        now = self._api.get(session.id, patience=2)
        return now.state == RUNNING and now.generation > session.generation

    def _executes(self, session):
        return self._api.execute(session.id, ["true"], seconds=2)[0] == 0

    def _clear(self, name):
        for known in self._history.alive():
            self._api.delete(known.id)
            self._history.deleted(known.id)
        for text in self._run.checks.settle(60):
            self._history.violate(f"after the drill {name}: {text}")
        self._run.checks.check()

    def _intact(self, session, generation=None):
        """A KEEP session that runs where and as it ran."""
        now = self._api.get(session.id)
        self._expect(now.state == RUNNING and now.node_id == session.node_id and
                     now.generation == (generation or session.generation),
                     f"{session.id} isn't as it was: {now.state} {now.state_reason}")

    def _replica_is_killed(self):
        session = self._create()
        self._system.replicas[0].kill()
        answer = self._until(5, "a call is answered", lambda: self._executes(session))
        again = self._api.create_session(self._environment, KEEP, f"drill-{self._counter}", wait=10)
        self._expect(again.id == session.id, "a repeated create made another session")
        self._system.replicas[0].start()
        return f"the other one answers after {answer * 1000:.0f} ms"

    def _agent_is_killed(self):
        session = self._create(node=self._system.nodes[0])
        self._system.nodes[0].agent.kill()
        self._expect(session.id in journal.populated(self._system.nodes[0]), "the sandbox ended")
        self._system.nodes[0].agent.start()
        resumed = self._until(30, "commands again", lambda: self._executes(session))
        self._intact(session)
        return f"sandbox goes on, commands again {resumed:.1f} s after the start"

    def _lose(self, node, make, mend, told):
        keep = self._create(KEEP, node)
        moves = self._create(RESCHEDULE, node)
        make()
        began = time.time()
        refused = self._until(NOT_READY_AFTER + SLACK_SECONDS, "node not ready",
                              lambda: self._api.nodes()[node.name].state != 1)
        moved = refused + self._until(LOST_AFTER + SLACK_SECONDS, "RESCHEDULE elsewhere",
                                      lambda: self._moved(moves))
        self._run.sampler.sample()
        seen = self._run.sampler.seen(moves.id)
        killed = seen[node.name][1] - began if told else 0.0
        first = [span[0] for name, span in seen.items() if name != node.name]
        self._expect(first and first[0] > seen[node.name][1],
                     f"{moves.id} ran elsewhere before it was dead at home")
        # The times are counted from the last heartbeat, which may be an interval ago.
        self._expect(killed <= FENCE_AFTER + 1, f"fenced after {killed:.1f} s")
        self._expect(moved >= LOST_AFTER - 1, f"moved after {moved:.1f} s already")
        self._expect(self._api.get(keep.id).state == RUNNING, "KEEP was touched")
        mend()
        back = self._until(60, "node back", lambda: self._api.nodes()[node.name].state == 1)
        return keep, moves, refused, killed, moved, back

    def _node_is_lost(self):
        node = self._system.nodes[1]
        topology = self._system.topology
        keep, _, refused, killed, moved, _ = self._lose(
            node, lambda: topology.partition(node.host, "both"), lambda: topology.heal(node.host), True)
        self._until(10, "KEEP answers again", lambda: self._executes(keep))
        self._intact(keep)
        return (f"no placements after {refused:.1f} s, RESCHEDULE killed at home after {killed:.1f} s "
                f"and runs elsewhere after {moved:.1f} s, KEEP waits "
                f"(not_ready {NOT_READY_AFTER:g}, fence {FENCE_AFTER:g}, lost {LOST_AFTER:g})")

    def _agent_is_frozen(self):
        node = self._system.nodes[2]
        keep, moves, refused, killed, moved, _ = self._lose(
            node, node.agent.freeze, node.agent.thaw, True)
        self._until(10, "KEEP answers again", lambda: self._executes(keep))
        self._intact(keep)
        gone = self._until(15, "the old container's remains gone",
                           lambda: moves.id not in journal.cgroup_sessions(node))
        return (f"the gateway process kills RESCHEDULE after {killed:.1f} s, it runs elsewhere after "
                f"{moved:.1f} s; thawed, the agent removes the remains within {gone:.1f} s")

    def _everything_is_down(self):
        """Replicas and database for longer than lost_after."""
        keep = [self._create(KEEP, node) for node in self._system.nodes]
        moves = self._create(RESCHEDULE, self._system.nodes[0])
        for replica in self._system.replicas:
            replica.kill()
        self._system.database.kill()
        self._pause(LOST_AFTER + 3)
        for session in keep:
            self._expect(any(session.id in journal.populated(n) for n in self._system.nodes),
                         f"KEEP {session.id} ended in the outage")
        self._system.database.start()
        for replica in self._system.replicas:
            replica.start()
        back = self._until(30, "answers again", lambda: self._executes(keep[0]))
        self._until(30, "all nodes ready", lambda: all(
            node.state == 1 for node in self._api.nodes().values()))
        self._pause(LOST_AFTER + 1)
        for session in keep:
            self._intact(session)
        self._until(30, "RESCHEDULE runs again", lambda: self._moved(moves))
        return (f"KEEP runs on for {LOST_AFTER + 3:g} s; back, answers after {back:.1f} s, nobody is "
                f"lost, and RESCHEDULE, fenced meanwhile, runs again")

    def _pause(self, seconds):
        if self._api.ending.wait(seconds):
            raise Gone("drill")

    def _two_of_five_are_silent(self):
        nodes = self._system.nodes[:2]
        sessions = [self._create(RESCHEDULE, node) for node in nodes] + \
                   [self._create(RESCHEDULE, self._system.nodes[2])]
        for node in nodes:
            self._system.topology.partition(node.host, "both")
        self._pause(LOST_AFTER * 2)
        for session in sessions:
            self._expect(self._api.get(session.id).generation == session.generation,
                         f"{session.id} was moved while two of five nodes were silent")
        for node in nodes:
            self._system.topology.heal(node.host)
        back = self._until(30, "fenced sessions run again",
                           lambda: all(self._moved(s) for s in sessions[:2]))
        return f"nothing is moved in {LOST_AFTER * 2:g} s; what was fenced runs again after {back:.1f} s"

    def _node_is_rebooted(self):
        node = self._system.nodes[3]
        session = self._create(KEEP, node)
        self._api.execute(session.id, ["sh", "-c", "echo precious >/workspace/file; sync"])
        moves = self._create(RESCHEDULE, node)
        self._run.injector.kill_node(node)
        node.cleanup()
        node.agent.start()
        again = self._until(60, "KEEP runs again", lambda: self._moved(session))
        self._intact(session, session.generation + 1)
        out = self._api.execute(session.id, ["cat", "/workspace/file"])
        self._expect(out == (0, "precious\n"), f"its files are gone: {out}")
        elsewhere = self._until(30, "RESCHEDULE runs again", lambda: self._moved(moves))
        return (f"KEEP runs again with its files {again:.1f} s after the agent's start, RESCHEDULE too "
                f"({elsewhere:.1f} s later)")

    def _database_is_killed(self):
        session = self._create()
        self._system.database.kill()
        try:
            self._api.replicas[0].sessions.GetSession(
                api_request(session.id), timeout=10, metadata=self._api.replicas[0].metadata)
            said = "answered"
        except grpc.RpcError as error:
            said = error.code().name
            self._expect(error.code() == Code.UNAVAILABLE, f"without database: {said}")
        self._system.database.start()
        back = self._until(20, "answers again", lambda: self._executes(session))
        self._intact(session)
        return f"{said}; answers {back:.1f} s after it is back"

    def _gateway_is_killed(self):
        node = self._system.nodes[0]
        session = self._create(KEEP, node)
        before = node.gateway_pid()
        node.kill_gateway()
        back = self._until(10, "another gateway process",
                           lambda: node.gateway_pid() not in (0, before))
        self._intact(session)
        return f"another one after {back:.1f} s, the sandbox goes on"

    def _container_dies(self):
        node = self._system.nodes[1]
        session = self._create(KEEP, node)
        self._history.excuse(session.id, "its container was killed")
        for pid in journal.pids_of(node, session.id):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        told = self._until(10, "TERMINATED",
                           lambda: self._api.get(session.id).state == TERMINATED)
        now = self._api.get(session.id)
        self._expect(now.exit_code == 137, f"exit code {now.exit_code}: {now.state_reason}")
        return f"TERMINATED after {told * 1000:.0f} ms, exit code 137, {now.state_reason!r}"

    def _disk_is_full(self):
        node = self._system.nodes[2]
        session = self._create(KEEP, node)
        self._history.full_nodes.add(node.id)
        with self._run.injector.full_disk(node):
            told = self._until(20, "takes no work", lambda: "DISK_FULL" in
                               self._api.nodes()[node.name].state_reason)
            reason = self._api.nodes()[node.name].state_reason
            self._executes(session)
        back = self._until(60, "takes work again",
                           lambda: not self._api.nodes()[node.name].state_reason)
        self._intact(session)
        self._history.full_nodes.discard(node.id)  # Excuses nothing that comes later.
        return f"out of rotation after {told:.1f} s ({reason}), back {back:.1f} s after there is room"

    def _node_is_bad(self):
        """Every start there fails."""
        node = self._system.nodes[3]
        others = [n for n in self._system.nodes if n is not node]
        node.break_starts()
        try:
            failed = 0
            with self._cordoned(others):
                for _ in range(4):
                    session = self._api.create_session(self._environment, KEEP, self._name(), wait=10)
                    self._history.created(session, KEEP, excuse="its node was broken")
                    failed += session.state == TERMINATED
                told = self._until(25, "out of rotation", lambda: "STARTS_FAIL" in
                                   self._api.nodes()[node.name].state_reason)
            reason = self._api.nodes()[node.name].state_reason
            self._expect(failed == 4, f"{failed} of 4 starts failed on a broken node")
            for _ in range(5):
                self._expect(self._create().node_id != node.id, "a session went to the bad node")
        finally:
            node.mend_starts()
        back = self._until(30, "takes work again",
                           lambda: not self._api.nodes()[node.name].state_reason)
        return f"out of rotation after {told:.1f} s ({reason[:100]}…), back after {back:.1f} s"


def api_request(session_id):
    from paddock.v1 import session_pb2  # pylint: disable=import-outside-toplevel
    return session_pb2.GetSessionRequest(session_id=session_id)

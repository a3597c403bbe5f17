"""Drills of the fleet as a whole: drains, a queue, builds, restarts of everything. Used by Drills, whose
helpers they call."""

import signal
import threading

import grpc

import journal
from api import (IMAGE_BUILDING, IMAGE_READY, KEEP, PENDING, RESCHEDULE, RUNNING, TERMINATED, Gone)
from packages import Package, installed
from system import BUILD_LEASE

# Of one node's sessions, under way to others at once (kMaxMoving of the control plane).
MAX_MOVING = 10
# Sessions that ask for half of a node's CPU.
HALF_OF_A_NODE = 1000
QUEUED = 6
LOADERS = 3


class FleetDrills:
    def _watch_drain(self, node, deadline=None):
        """What the drain says, and whether it has ended; both fill while it goes on."""
        seen, done = [], threading.Event()

        def watch():
            for progress in self._api.drain(node.id, deadline):
                seen.append((progress.remaining, progress.moved, progress.ended))
            done.set()

        threading.Thread(target=watch, daemon=True).start()
        return seen, done

    def _expect_progress(self, seen, last):
        """It only goes forward, in more than one step, and ends with `last`."""
        self._expect(len(set(seen)) > 1, f"the drain reports no progress: {seen}")
        for (left, moved, ended), (left2, moved2, ended2) in zip(seen, seen[1:]):
            self._expect(left2 <= left and moved2 >= moved and ended2 >= ended,
                         f"the drain went back: {seen}")
        self._expect(seen and seen[-1] == last, f"the drain ended with {seen[-1:]}, not {last}")

    def _node_is_drained(self):
        node = self._system.nodes[4]
        keep = self._create(KEEP, node)
        moves = [self._create(RESCHEDULE, node) for _ in range(2 * MAX_MOVING + 5)]
        waiting = ("SELECT count(*) FROM sessions s JOIN placements p ON p.session_id = s.id "
                   "AND p.generation = s.generation WHERE s.state = 'RESCHEDULING' AND "
                   f"p.node_id = '{node.id}' AND p.released_at IS NULL")
        seen, done = self._watch_drain(node)
        most = [0]

        def moved():
            most[0] = max(most[0], int(self._system.database.query(waiting)[0][0]))
            return all(self._moved(s) for s in moves)

        took = self._until(40, "RESCHEDULE elsewhere", moved)
        self._expect(most[0] <= MAX_MOVING, f"{most[0]} sessions were on their way at once")
        self._intact(keep)
        self._expect(not done.is_set(), "the drain didn't wait for KEEP")
        self._api.delete(keep.id)
        self._history.deleted(keep.id)
        self._until(20, "the drain ends", done.is_set)
        self._expect_progress(seen, (0, len(moves), 0))
        self._api.uncordon(node.id)
        return (f"{len(moves)} RESCHEDULE sessions moved in {took:.1f} s, at most {most[0]} at once, "
                f"told in {len(seen)} steps; KEEP was waited for")

    def _drain_is_overdue(self):
        node = self._system.nodes[4]
        keep, deadline = self._create(KEEP, node), 4.0
        self._history.excuse(keep.id, "its node was drained with a deadline")
        seen, done = self._watch_drain(node, deadline)
        ended = self._until(20, "KEEP is ended", lambda: self._api.get(keep.id).state == TERMINATED)
        reason = self._api.get(keep.id).state_reason
        self._expect(ended > deadline - 0.5, f"ended after {ended:.1f} s of {deadline:g}")
        self._expect(reason.startswith("NODE_DRAINED"), reason)
        self._until(20, "the drain ends", done.is_set)
        self._expect_progress(seen, (0, 0, 1))
        self._api.uncordon(node.id)
        return f"KEEP is ended after {ended:.1f} s of {deadline:g}, {reason!r}"

    def _half(self, wait):
        """A session that takes half of a node."""
        session = self._api.create_session(self._environment, KEEP, self._name(), wait=wait,
                                           cpu_millis=HALF_OF_A_NODE)
        self._history.created(session, KEEP)
        return session

    def _delete(self, session):
        self._api.delete(session.id)
        self._history.deleted(session.id)

    def _fleet_is_full(self):
        """One node, which two sessions fill; room for one at a time goes to the one that has waited
        longest, also when a new one comes at that moment."""
        with self._cordoned(self._system.nodes[1:]):
            nowhere = self._api.create_session(self._environment, KEEP, self._name(), wait=1,
                                               labels={"no": "such"})
            self._history.created(nowhere, KEEP)
            self._expect("NO_MATCHING_NODE" in nowhere.state_reason, nowhere.state_reason)
            running = [self._half(10) for _ in range(2)]
            self._expect(all(s.state == RUNNING for s in running), "the node isn't empty")
            waiting = [self._half(0.2) for _ in range(QUEUED)]
            self._pause(1)
            before = [self._api.get(s.id) for s in waiting]
            reasons = {s.state_reason for s in before}
            self._expect(all(s.state == PENDING and s.state_reason.startswith("NO_ROOM")
                             for s in before), f"not PENDING for want of room: {reasons}")
            self._pause(3)
            after = [self._api.get(s.id) for s in waiting]
            self._expect([s.revision for s in before] == [s.revision for s in after],
                         "those that wait change without news")
            order = []
            while waiting:
                self._delete(running.pop(0))
                if len(order) < 2:  # It comes last, although there is room at this moment.
                    waiting.append(self._half(0))
                first = waiting.pop(0)
                self._until(10, f"number {len(order)} runs",
                            lambda first=first: self._api.get(first.id).state == RUNNING)
                overtook = [s.id for s in waiting if self._api.get(s.id).state != PENDING]
                self._expect(not overtook, f"{overtook} overtook {first.id}")
                order.append(self._api.get(first.id).started_at.ToNanoseconds())
                running.append(first)
            self._expect(order == sorted(order), f"they started in another order: {order}")
        return (f"PENDING, {sorted(reasons)[0]!r}; {len(order)} sessions ran one after the other in the "
                "order in which they came")

    def _builder_is_killed(self):
        """The node that builds a package dies halfway, and comes back."""
        package = Package(f"chaos_drill_{self._run.options.seed}", 5.0)
        environment = self._api.create_environment("drill-package", self._name(), [package.spec])
        session = self._api.create_session(environment.id, KEEP, self._name(), wait=0)
        self._history.created(session, KEEP)
        self._until(30, "a download", lambda: self._run.shelf.begun(package.name) > 0)
        image = self._api.environment(environment.id).image
        self._expect(image.state == IMAGE_BUILDING, f"the image isn't being built: {image.state}")
        now = self._api.get(session.id)
        self._expect(now.state == PENDING and now.state_reason.startswith("IMAGE_BUILDING"),
                     f"without its image: {now.state} {now.state_reason}")
        builders = [node for node in self._system.nodes if journal.builds(node)]
        self._expect(len(builders) == 1, f"{len(builders)} nodes build one package")
        self._run.injector.kill_node(builders[0])
        ready = self._until(BUILD_LEASE + 60, "the image is ready", lambda: self._api.environment(
            environment.id).image.state == IMAGE_READY)
        self._until(20, "its session runs", lambda: self._api.get(session.id).state == RUNNING)
        now = self._api.get(session.id)
        self._expect(now.node_id != builders[0].id, "it runs on the node that is dead")
        out = self._api.execute(session.id, package.command())
        self._expect(out[0] == 0, f"the package isn't whole: {out}")
        having = [n for n in self._system.nodes
                  if installed(f"{n.directory}/volumes/layers").get(package.name)]
        self._expect([n.id for n in having] == [now.node_id], f"{len(having)} nodes have the layer")
        builders[0].cleanup()
        builders[0].agent.start()
        self._until(60, "the builder is back", lambda: self._api.nodes()[builders[0].name].state == 1)
        self._delete(session)
        self._api.delete_environment(environment.id)
        return f"another node builds, READY {ready:.1f} s after the death (lease {BUILD_LEASE:g})"

    def _all_is_restarted(self):
        """One part after the other, politely, under load: what was acknowledged holds."""
        sessions = [self._create(KEEP, node) for node in self._system.nodes]
        for session in sessions:
            self._expect(self._api.execute(session.id, ["sh", "-c", "echo kept >/workspace/file; sync"])
                         [0] == 0, "no file could be written")
        before = sum(self._history.errors.values())
        done, failed, kept, calls = threading.Event(), [], [], [0] * LOADERS

        def step(loader):
            name = f"drill-load-{loader}-{calls[loader]}"
            session = self._api.create_session(self._environment, KEEP, name, wait=10)
            self._history.created(session, KEEP)
            self._until(40, "a command succeeds",
                        lambda: self._api.execute(session.id, ["true"], seconds=4)[0] == 0)
            self._expect(self._api.get(session.id).id == session.id, "get answered another one")
            calls[loader] += 3
            if len(kept) < 4 * LOADERS and calls[loader] % 4 == 3:
                kept.append(session)
                return
            self._delete(session)
            calls[loader] += 1

        def load(loader):
            while not done.is_set():
                try:
                    step(loader)
                except (grpc.RpcError, Gone) as error:
                    failed.append(repr(error))

        threads = [threading.Thread(target=load, args=(i,)) for i in range(LOADERS)]
        for thread in threads:
            thread.start()
        for program in self._system.programs():
            program.kill(signal.SIGTERM)
            program.start()
            self._until(40, f"{program.name} is back", lambda: all(
                n.state == 1 and not n.state_reason for n in self._api.nodes().values()))
        done.set()
        for thread in threads:
            thread.join()
        for session in sessions + kept:
            self._intact(session)
        for session in sessions:
            # A replica may not have heard yet that the last agent is back.
            self._until(40, f"{session.id} reads its file", lambda: self._api.execute(
                session.id, ["cat", "/workspace/file"]) == (0, "kept\n"))
        self._expect(not failed, f"failed calls: {failed[:3]}")
        self._expect(kept and min(calls) > 0, f"there was no load: {calls}")
        repeated = sum(self._history.errors.values()) - before
        return (f"{sum(calls)} acknowledged calls meanwhile, none failed ({repeated} attempts were "
                f"repeated), {len(sessions + kept)} sessions as they were")

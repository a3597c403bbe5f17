"""The chaos test's driver: starts the system, lets clients and faults loose on it, and checks. Run by
tests/chaos/run, in a network namespace of its own."""

import argparse
import faulthandler
import os
import signal
import sys
import threading
import time

import api as api_module
from api import Api
from checks import Checks
from clients import CLIENTS, Client, Gate
from drills import Drills
from faults import Injector, schedule
from history import History
from journal import Journal, Sampler
from packages import Shelf
from system import API_PORT, REPLICAS, System
from topology import replica_address

STRETCH_SECONDS = 40
SETTLE_SECONDS = 60
START_SECONDS = 180


class Run:
    """One run of the test."""

    def __init__(self, options):
        self.options = options
        self.history = History()
        self.ending = threading.Event()
        machine = os.path.join(os.path.dirname(os.path.realpath(__file__)), "machine")
        self.system = System(options.home, machine)
        with open(f"{options.home}/pki/ca.crt", "rb") as file:
            ca = file.read()
        with open(f"{options.home}/secrets/api_key", encoding="ascii") as file:
            key = file.read().strip()
        self.api = Api([f"{replica_address(i)}:{API_PORT}" for i in range(1, REPLICAS + 1)], ca, key,
                       self.history.failed)
        self.journal = Journal()
        self.shelf = Shelf()
        self.sampler = Sampler(self.system.nodes)
        self.checks = Checks(self.system, self.history, self.api, self.sampler, self.journal)
        self.gate = Gate()
        self.injector = Injector(self.system, self.history, self.api)
        self.clients = [Client(i, options.seed, self.api, self.history, self.gate)
                        for i in range(CLIENTS)]

    def start(self):
        began = time.monotonic()
        self.system.start()
        left = self.checks.settle(START_SECONDS)
        if left:
            raise RuntimeError(f"the system doesn't start: {left}")
        self.checks.remember_mounts()
        print(f"  started in {time.monotonic() - began:.1f} s", flush=True)

    def chaos(self):
        for client in self.clients:
            client.start()
        kinds = self.options.only.split(",") if self.options.only else None
        left = self.options.minutes * 60
        stretch = 0
        while left > 0 and not self.ending.is_set() and not self.history.violations:
            seconds = min(STRETCH_SECONDS, left)
            faults = schedule(f"{self.options.seed}/{stretch}", seconds, kinds)
            print(f"  stretch {stretch}: {len(faults)} faults in {seconds:.0f} s", flush=True)
            began = time.monotonic()
            self.injector.play(faults, self.ending)
            self.ending.wait(max(0, seconds - (time.monotonic() - began)))
            self.quiet(f"stretch {stretch}")
            left -= seconds
            stretch += 1

    def quiet(self, name):
        """Clients pause, all is mended: now everything must come to rest, and be right."""
        began = time.monotonic()
        if not self.gate.close(SETTLE_SECONDS):
            self.history.violate(f"{name}: a client's call isn't answered though all is mended; the "
                                 f"newest error is {self.history.newest_error}")
        for text in self.checks.settle(SETTLE_SECONDS):
            self.history.violate(f"{name}: not settled: {text}")
        self.checks.check()
        sessions = self.history.alive()
        print(f"  quiet after {name}: settled in {time.monotonic() - began:.1f} s, "
              f"{len(sessions)} sessions, {len(self.history.violations)} violations", flush=True)
        self.gate.open()

    def finish(self):
        """Everything is deleted; nothing may be left."""
        self.gate.close(SETTLE_SECONDS)
        self.sampler.sample()
        for client in self.clients:
            client.clear()
        for text in self.checks.settle(SETTLE_SECONDS):
            self.history.violate(f"after the end: {text}")
        self.checks.check()
        self.checks.check_watches([watch for client in self.clients for watch in client.watches])
        for (count,) in self.system.database.query("SELECT count(*) FROM sessions"):
            if count != "0":
                self.history.violate(f"{count} sessions are left")

    def report(self):
        history = self.history
        print("  acknowledged: " + ", ".join(f"{n} {what}" for what, n in sorted(history.done.items())))
        print(f"  later generations: {history.moves}; {self.journal.words} words of sandboxes")
        print("  packages: %d downloads begun, %d ended" % self.shelf.totals())
        print("  failed attempts: " + ", ".join(
            f"{n} {what}" for what, n in sorted(history.errors.items())))
        if history.violations:
            print(f"FAILED with seed {self.options.seed}:")
            for text in history.violations:
                print(f"  {text}")
        else:
            print(f"passed: seed {self.options.seed}, {self.options.minutes:g} minutes")

    def close(self):
        self.api.ending.set()
        self.gate.open()
        self.sampler.close()
        self.system.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--seed", required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--drills", default="")
    parser.add_argument("--no-drills", action="store_true")
    options = parser.parse_args()
    print(f"chaos: seed {options.seed}, {options.minutes:g} minutes", flush=True)
    run = Run(options)

    def on_signal(*unused):
        run.ending.set()
        run.api.ending.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, on_signal)
    # Where each thread is, on standard error: for a look at a run that hangs.
    faulthandler.register(signal.SIGUSR1)
    try:
        run.start()
        if not options.no_drills:
            Drills(run).run(options.drills.split(",") if options.drills else [])
        run.chaos()
        run.finish()
    except (KeyboardInterrupt, api_module.Gone):
        run.history.violate("interrupted")
    except Exception as error:
        run.history.violate(f"the test itself failed: {error!r}")
        raise
    finally:
        run.close()
        run.report()
    return 1 if run.history.violations else 0


if __name__ == "__main__":
    sys.exit(main())

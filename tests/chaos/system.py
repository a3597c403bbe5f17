"""The system under test: PostgreSQL, replicas, node agents, and the files they write."""

import json
import os
import signal
import time

from programs import Program, run
from topology import AGENT_PORT, REGISTRY_PORT, Topology, node_address, replica_address

REPLICAS = 2
NODES = 5
API_PORT = 7443
# Shortened; the order is that of the defaults.
HEARTBEAT, NOT_READY_AFTER, FENCE_AFTER, LOST_AFTER = 0.4, 3.0, 6.0, 9.0
# The reconciler's lease; a freeze that lasts longer loses it.
LEASE = 5.0
BUILD_LEASE = 5.0
VOLUME_BYTES = 2 << 30


class Database:
    """The embedded PostgreSQL of a PADDOCK_HOME. Runs already."""

    def __init__(self, home, machine):
        self._home = home
        self._machine = machine
        self._socket = run([machine, "postgres_socket_dir"]).strip()
        with open(f"{home}/secrets/postgres_password", encoding="utf-8") as file:
            self._password = file.read().strip()

    def query(self, sql):
        """Rows as lists of strings."""
        out = run(["env", f"PGPASSWORD={self._password}", "psql", "-X", "-A", "-t", "-F", "\t", "-v",
                   "ON_ERROR_STOP=1", "-h", self._socket, "-U", "paddock", "-d", "paddock", "-c", sql])
        return [line.split("\t") for line in out.splitlines() if line]

    def _pids(self):
        try:
            with open(f"{self._home}/postgres/data/postmaster.pid", encoding="utf-8") as file:
                postmaster = int(file.readline())
        except (FileNotFoundError, ValueError):
            return []
        children = run(["pgrep", "-P", str(postmaster)], check=False).split()
        return [postmaster] + [int(pid) for pid in children]

    def kill(self):
        pids = self._pids()
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        while any(os.path.exists(f"/proc/{pid}") for pid in pids):
            time.sleep(0.02)

    def start(self):
        deadline = time.monotonic() + 60
        while True:
            try:
                run([self._machine, "postgres_start"], timeout=120)
                return
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def freeze(self):
        for pid in self._pids():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self):
        for pid in self._pids():
            os.kill(pid, signal.SIGCONT)


class Node:
    """One agent and its gateway process."""

    def __init__(self, home, i, netns, clock):
        self.i = i
        self.name = f"node-{i}"
        self.host = f"n{i}"
        self.home = home
        self.directory = f"{home}/nodes/{i}"
        self.slot = _read(f"{home}/settings/slot-{i}")
        self.id = _read(f"{home}/settings/node-id-{i}")
        self.uid_base = 0x70000000 + int(self.slot) * 2048 * 65536
        self._netns = netns
        self._write_flags()
        self.agent = Program(self.name, [f"{home}/bin/nodeagent",
                                         f"--flagfile={self.directory}/agent.flags"],
                             f"{home}/log/{self.name}.log", netns, clock)

    def _write_flags(self):
        pki = f"{self.home}/pki"
        registries = ",".join(f"{replica_address(i)}:{REGISTRY_PORT}" for i in range(1, REPLICAS + 1))
        flags = {
            "name": self.name, "state_dir": f"{self.directory}/state",
            "volumes_dir": f"{self.directory}/volumes",
            "volumes_file": f"{self.directory}/volumes.btrfs", "volumes_bytes": VOLUME_BYTES,
            "listen": f"{node_address(self.i)}:{AGENT_PORT}", "metrics_listen": "127.0.0.1:7600",
            "control_plane": registries, "ca": f"{pki}/ca.crt", "cert": f"{pki}/{self.name}.crt",
            "key": f"{pki}/{self.name}.key", "base_image": os.environ["PADDOCK_IMAGES"] + "/slim.tar",
            "instance": self.slot, "subnet": f"10.{200 + int(self.slot)}.0.0/16",
            "uid_base": self.uid_base, "max_sessions": 40, "ready_pairs": 4, "workers": 8,
            "cgroup": f"paddock/{self.slot}", "resolv_conf": f"{self.home}/resolv.conf",
            "capacity_cpu_millis": 2000, "capacity_memory_bytes": 4 << 30,
        }
        with open(f"{self.directory}/agent.flags", "w", encoding="utf-8") as file:
            file.writelines(f"--{name}={value}\n" for name, value in flags.items())

    def break_starts(self):
        """No volume can be made there any more; what runs goes on."""
        run(["chattr", "+i", f"{self.directory}/volumes/sessions"])

    def mend_starts(self):
        run(["chattr", "-i", f"{self.directory}/volumes/sessions"])

    def gateway_pid(self):
        """0 if none is known."""
        try:
            with open(f"{self.directory}/state/gateway/gateway.pid", encoding="utf-8") as file:
                pid = json.load(file)["pid"]
        except (FileNotFoundError, ValueError, KeyError):
            return 0
        return pid if os.path.exists(f"/proc/{pid}") else 0

    def kill_gateway(self):
        pid = self.gateway_pid()
        if pid:
            os.kill(pid, signal.SIGKILL)

    def cleanup(self):
        """What a restart of the machine does: all processes and namespaces end, volumes stay."""
        run(["nsenter", f"--net=/run/netns/{self._netns}", "--", f"{self.home}/bin/nodeagent",
             "cleanup", f"--flagfile={self.directory}/agent.flags"], timeout=120)


class System:
    """Everything, started and ended. Faults reach for its parts."""

    def __init__(self, home, machine):
        self.home = home
        self._machine = machine
        self.database = Database(home, machine)
        prefix = "pdx" + home.rsplit(".", 1)[1]
        self.topology = Topology(prefix, REPLICAS)
        self.replicas = [self._replica(i) for i in range(1, REPLICAS + 1)]
        self.nodes = [Node(home, i, self.topology.add(f"n{i}", node_address(i)),
                           self._clock(f"node-{i}")) for i in range(1, NODES + 1)]

    def _clock(self, whose):
        """The variables that make a program's wall clock its own."""
        lines = run([self._machine, "chaos_clock", whose]).splitlines()
        return dict(line.split("=", 1) for line in lines)

    def _replica(self, i):
        netns = self.topology.add(f"r{i}", replica_address(i))
        pki = f"{self.home}/pki"
        host = replica_address(i)
        argv = [f"{self.home}/bin/controlplane", f"--listen={host}:{API_PORT}", "--http_listen=",
                f"--internal_listen={host}:{REGISTRY_PORT}", "--metrics_listen=127.0.0.1:7445",
                f"--tls_cert={pki}/server.crt", f"--tls_key={pki}/server.key", f"--ca={pki}/ca.crt",
                f"--cert={pki}/control-plane.crt", f"--key={pki}/control-plane.key",
                f"--heartbeat_interval={HEARTBEAT}s", f"--not_ready_after={NOT_READY_AFTER}s",
                f"--fence_after={FENCE_AFTER}s", f"--lost_after={LOST_AFTER}s",
                f"--build_lease={BUILD_LEASE}s", "--database_connections=16", "--drain_timeout=3s"]
        url = _read(f"{self.home}/secrets/chaos_database_url")
        return Program(f"replica-{i}", argv, f"{self.home}/log/replica-{i}.log", netns,
                       {"PADDOCK_DATABASE_URL": url, **self._clock(f"replica-{i}")})

    def step_clock(self, whose, seconds):
        """The wall clock of a program, or of the `database`, from the true time; within a second."""
        with open(f"{self.home}/clock-{whose}.new", "w", encoding="ascii") as file:
            file.write(f"{seconds:+d}\n")
        os.chmod(file.name, 0o644)
        os.rename(file.name, f"{self.home}/clock-{whose}")

    def start(self):
        for replica in self.replicas:
            replica.start()
        for node in self.nodes:
            node.agent.start()

    def programs(self):
        return self.replicas + [node.agent for node in self.nodes]

    def stop(self):
        """Ends all programs; what agents leave in the kernel goes with them."""
        for program in self.programs():
            program.thaw()
            program.kill(signal.SIGTERM)
        for node in self.nodes:
            node.cleanup()
        self.topology.close()


def _read(path):
    with open(path, encoding="utf-8") as file:
        return file.read().strip()

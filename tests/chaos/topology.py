"""Network namespaces on a bridge in the namespace of this process, and what may be wrong with them.

  this process   10.251.0.1, 198.51.100.1 (what sandboxes may reach: the journal)
  replica i      10.251.0.10 + i
  node i         10.251.1.i, its agent, the agent's router namespace behind it
"""

from programs import run

BRIDGE = "chaos"
HUB = "10.251.0.1"
JOURNAL = "198.51.100.1"
AGENT_PORT = 7500
REGISTRY_PORT = 7444


def replica_address(i):
    return f"10.251.0.{10 + i}"


def node_address(i):
    return f"10.251.1.{i}"


class Topology:
    """Not thread-safe for one host at once; a host's state is what was last set."""

    def __init__(self, prefix, replicas):
        self._prefix = prefix
        self._replicas = ", ".join(replica_address(i) for i in range(1, replicas + 1))
        self._names = []
        run(["ip", "link", "set", "lo", "up"])
        run(["ip", "link", "add", BRIDGE, "type", "bridge"])
        run(["ip", "address", "add", f"{HUB}/16", "dev", BRIDGE])
        run(["ip", "address", "add", f"{JOURNAL}/24", "dev", BRIDGE])
        run(["ip", "link", "set", BRIDGE, "up"])

    def add(self, host, address):
        """A host of the network; the name of its namespace."""
        name = f"{self._prefix}-{host}"
        run(["ip", "netns", "add", name])
        self._names.append(name)
        run(["ip", "link", "add", f"ch-{host}", "type", "veth", "peer", "name", "eth0",
             "netns", name])
        run(["ip", "link", "set", f"ch-{host}", "master", BRIDGE, "up"])
        run(["ip", "-n", name, "link", "set", "lo", "up"])
        run(["ip", "-n", name, "address", "add", f"{address}/16", "dev", "eth0"])
        run(["ip", "-n", name, "link", "set", "eth0", "up"])
        run(["ip", "-n", name, "route", "add", "default", "via", HUB])
        return name

    def _inside(self, host, argv, **options):
        return run(["nsenter", f"--net=/run/netns/{self._prefix}-{host}", "--"] + argv, **options)

    def partition(self, host, direction):
        """`both`, `in` (the control plane can't call the agent) or `out` (no heartbeats)."""
        rules = {
            "both": (f"ip saddr {{ {self._replicas} }} drop", f"ip daddr {{ {self._replicas} }} drop"),
            "in": (f"ip saddr {{ {self._replicas} }} tcp dport {AGENT_PORT} drop", ""),
            "out": ("", f"ip daddr {{ {self._replicas} }} tcp dport {REGISTRY_PORT} drop"),
        }[direction]
        self._filter(host, *rules)

    def lose(self, host, percent):
        """So many of its packets, both ways."""
        rule = f"numgen random mod 100 < {percent} drop"
        self._filter(host, rule, rule)

    def _filter(self, host, incoming, outgoing):
        self._inside(host, ["nft", "-f", "-"], text=f"""
table inet chaos {{
  chain input {{ type filter hook input priority -50; {incoming}
  }}
  chain output {{ type filter hook output priority -50; {outgoing}
  }}
}}
""")

    def delay(self, host):
        """tc-netem(8) where the kernel has it; else a link so narrow that packets queue."""
        add = ["tc", "qdisc", "replace", "dev", "eth0", "root"]
        if "Error" in self._inside(host, add + ["netem", "delay", "120ms", "60ms"], check=False):
            self._inside(host, add + ["tbf", "rate", "256kbit", "burst", "4kb", "latency", "600ms"])

    def heal(self, host):
        self._inside(host, ["nft", "delete", "table", "inet", "chaos"], check=False)
        self._inside(host, ["tc", "qdisc", "delete", "dev", "eth0", "root"], check=False)

    def close(self):
        for name in self._names:
            run(["ip", "netns", "delete", name], check=False)
        self._names = []

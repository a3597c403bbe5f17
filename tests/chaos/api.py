"""Calls of the public API that go to whichever replica answers, and repeat what can be repeated."""

import itertools
import threading
import time

import grpc
from google.protobuf import duration_pb2

from paddock.v1 import (admin_pb2, admin_pb2_grpc, environment_pb2, environment_pb2_grpc,
                        session_pb2, session_pb2_grpc)

RUNNING = session_pb2.SESSION_STATE_RUNNING
TERMINATED = session_pb2.SESSION_STATE_TERMINATED
PENDING = session_pb2.SESSION_STATE_PENDING
IMAGE_BUILDING = environment_pb2.IMAGE_STATE_BUILDING
IMAGE_READY = environment_pb2.IMAGE_STATE_READY
IMAGE_FAILED = environment_pb2.IMAGE_STATE_FAILED
KEEP = session_pb2.ON_NODE_LOSS_KEEP
RESCHEDULE = session_pb2.ON_NODE_LOSS_RESCHEDULE
Code = grpc.StatusCode
# Nothing is known, or a moment later it may work.
RETRIED = (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.CANCELLED, Code.RESOURCE_EXHAUSTED,
           Code.ABORTED)
CALL_SECONDS = 6


def state_name(state):
    return session_pb2.SessionState.Name(state).replace("SESSION_STATE_", "")


class Gone(Exception):
    """The run ends; the call was given up."""


class Replica:
    """Stubs of one replica."""

    def __init__(self, address, ca, key):
        options = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 500),
                   ("grpc.use_local_subchannel_pool", 1)]
        self.channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(ca), options)
        self.sessions = session_pb2_grpc.SessionServiceStub(self.channel)
        self.environments = environment_pb2_grpc.EnvironmentServiceStub(self.channel)
        self.admin = admin_pb2_grpc.AdminServiceStub(self.channel)
        self.metadata = (("x-api-key", key), ("anthropic-beta", "managed-agents-2026-04-01"))


class Api:
    """Thread-safe. `on_error(method, error)` hears of every failed attempt."""

    def __init__(self, addresses, ca, key, on_error=lambda method, error: None):
        self.replicas = [Replica(address, ca, key) for address in addresses]
        self._turn = itertools.count()
        self._on_error = on_error
        self.ending = threading.Event()

    def replica(self):
        return self.replicas[next(self._turn) % len(self.replicas)]

    def call(self, service, method, request, seconds=CALL_SECONDS, patience=None):
        """Repeated until it is answered; for calls that may be. Raises other errors, and the last
        one when `patience` seconds are over."""
        began = time.monotonic()
        while True:
            replica = self.replica()
            try:
                return getattr(getattr(replica, service), method)(
                    request, timeout=seconds, metadata=replica.metadata)
            except grpc.RpcError as error:
                self._on_error(method, error)
                if error.code() not in RETRIED:
                    raise
                if patience is not None and time.monotonic() - began > patience:
                    raise
            if self.ending.wait(0.1):
                raise Gone(method)

    def create_environment(self, name, request_id, packages=()):
        request = environment_pb2.CreateEnvironmentRequest(name=name, request_id=request_id)
        request.config.cloud.packages.pip.extend(packages)
        return self.call("environments", "CreateEnvironment", request)

    def environment(self, environment_id):
        return self.call("environments", "GetEnvironment", environment_pb2.GetEnvironmentRequest(
            environment_id=environment_id))

    def delete_environment(self, environment_id):
        request = environment_pb2.DeleteEnvironmentRequest(environment_id=environment_id)
        return self.call("environments", "DeleteEnvironment", request)

    def create_session(self, environment_id, on_node_loss, request_id, wait=4.0, labels=None,
                       cpu_millis=0):
        request = session_pb2.CreateSessionRequest(
            environment_id=environment_id, on_node_loss=on_node_loss, request_id=request_id,
            wait=duration_pb2.Duration(nanos=int(wait % 1 * 1e9), seconds=int(wait)))
        request.compute.limits.memory_bytes = 256 << 20
        request.compute.limits.disk_bytes = 64 << 20
        request.compute.requests.cpu_millis = cpu_millis
        for key, value in (labels or {}).items():
            request.compute.node_labels[key] = value
        return self.call("sessions", "CreateSession", request, seconds=wait + CALL_SECONDS)

    def get(self, session_id, patience=None):
        return self.call("sessions", "GetSession",
                         session_pb2.GetSessionRequest(session_id=session_id), patience=patience)

    def delete(self, session_id):
        """OK, also where it was gone already: an answer may have been lost."""
        try:
            self.call("sessions", "DeleteSession",
                      session_pb2.DeleteSessionRequest(session_id=session_id))
        except grpc.RpcError as error:
            if error.code() != Code.NOT_FOUND:
                raise

    def list_sessions(self):
        sessions, token = [], ""
        while True:
            answer = self.call("sessions", "ListSessions", session_pb2.ListSessionsRequest(
                page_size=100, page_token=token, include_archived=True))
            sessions += answer.sessions
            token = answer.next_page_token
            if not token:
                return sessions

    def nodes(self):
        return {node.name: node for node in
                self.call("admin", "ListNodes", admin_pb2.ListNodesRequest(page_size=100)).nodes}

    def cordon(self, node_id):
        self.call("admin", "CordonNode", admin_pb2.CordonNodeRequest(node_id=node_id))

    def uncordon(self, node_id):
        self.call("admin", "UncordonNode", admin_pb2.UncordonNodeRequest(node_id=node_id))

    def drain(self, node_id, deadline=None):
        """Progress until the node is empty; KEEP sessions end after `deadline` seconds, if given."""
        replica = self.replica()
        request = admin_pb2.DrainNodeRequest(node_id=node_id)
        if deadline is not None:
            request.deadline.FromMilliseconds(int(deadline * 1000))
        return replica.admin.DrainNode(request, timeout=120, metadata=replica.metadata)

    def execute(self, session_id, command, seconds=8):
        """One attempt: (exit code, output). Raises RpcError."""
        replica = self.replica()
        request = session_pb2.ExecRequest(start=session_pb2.ExecStart(
            session_id=session_id, command=command, timeout=duration_pb2.Duration(seconds=seconds)))
        out, code = b"", None
        try:
            for answer in replica.sessions.Exec(iter([request]), timeout=seconds,
                                                metadata=replica.metadata):
                kind = answer.WhichOneof("response")
                if kind == "stdout":
                    out += answer.stdout
                elif kind == "exited":
                    code = answer.exited.code
        except grpc.RpcError as error:
            self._on_error("Exec", error)
            raise
        return code, out.decode(errors="replace")

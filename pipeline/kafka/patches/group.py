"""What aiokafka's group coordinator does not tell by itself: answered heartbeats, fatal errors, how to leave."""

import struct
from collections.abc import Callable
from typing import Any, Protocol

from aiokafka.protocol.api import RequestHeader_v1
from aiokafka.protocol.group import LeaveGroupRequest_v1

__all__ = ["LeaveRequest", "RenewedLease", "leaving", "renew_by_heartbeats", "report_errors"]

_CLIENT = "footfall-leave"


class RenewedLease(Protocol):
    """A lease that answered heartbeats renew."""

    def sent(self) -> float:
        """When a heartbeat is sent, for :meth:`answered`."""

    def answered(self, sent: float, *, rebalancing: bool) -> None:
        """The group has answered the heartbeat that was sent then."""


class LeaveRequest(Protocol):
    """Keeps the last request to leave the group."""

    def replace(self, request: bytes) -> None:
        """Keep this request in place of the one before."""


def renew_by_heartbeats(coordinator: Any, lease: RenewedLease, leave_on_exit: LeaveRequest) -> None:
    """Wrap the heartbeat: an answered one renews ``lease``, and ``leave_on_exit`` is told who the member is by then."""
    beat = coordinator._do_heartbeat  # noqa: SLF001 - there is no public hook

    async def heartbeat() -> bool:
        sent = lease.sent()
        answered = bool(await beat())
        if answered:
            leave_on_exit.replace(leaving(coordinator))
            lease.answered(sent, rebalancing=bool(coordinator._rejoin_needed_fut.done()))  # noqa: SLF001 - as above
        return answered

    coordinator._do_heartbeat = heartbeat  # noqa: SLF001 - as above


def report_errors(coordinator: Any, failed: Callable[[BaseException], None]) -> None:
    """What the group's coordinator cannot go on from has ``failed``, also where nothing is fetched.

    The client keeps it for the next fetch, and waits: a worker that was never assigned anything would wait for ever.
    """
    push = coordinator._push_error_to_user  # noqa: SLF001 - there is no public hook

    def pushed(error: BaseException) -> Any:
        failed(error)
        return push(error)

    coordinator._push_error_to_user = pushed  # noqa: SLF001 - as above


def leaving(coordinator: Any) -> bytes:
    """The request that the present member leave its group: ``host:port``, a line end, a request; empty without a group.

    Empty too where brokers want TLS or a login: they then miss a killed worker after the session timeout.
    """
    if coordinator._client._security_protocol != "PLAINTEXT":  # noqa: SLF001 - who keeps the request knows no secret
        return b""
    node = coordinator._client.cluster.broker_metadata(coordinator.coordinator_id)  # noqa: SLF001 - nothing public
    if not node or not coordinator.member_id:
        return b""
    request = LeaveGroupRequest_v1(coordinator.group_id, coordinator.member_id)
    message = RequestHeader_v1(request, 0, _CLIENT).encode() + request.encode()
    return b"%s:%d\n%s" % (str(node.host).encode(), node.port, struct.pack(">i", len(message)) + message)

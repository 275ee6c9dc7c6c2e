"""A Faust app for one stage: it joins the group, fetches chunks and runs the agent; state and positions are ours."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

import faust
from aiokafka.errors import IllegalStateError
from faust.serializers.schemas import Schema
from faust.types import TP

from agents.aggregate import aggregate
from agents.anonymize import anonymize
from pipeline.broker.acls import group_name
from pipeline.kafka.batch import Batch
from pipeline.kafka.connection import Connection
from pipeline.kafka.transport import App, Consumer
from pipeline.settings.settings import Settings
from pipeline.worker.assignor import StateAssignor
from pipeline.worker.lease import Lease
from pipeline.worker.leave_on_exit import LeaveOnExit
from pipeline.worker.manager import Owners
from schemas.flow import STAGES, Kind
from schemas.topics import topic_name

__all__ = ["FootfallApp", "build_app"]

_AGENTS: Final[Mapping[Kind, Callable[..., Any]]] = {"anonymize": anonymize, "aggregate": aggregate}
_POLL_RECORDS = 20_000
_REQUEST_SECONDS = 90.0


class _AsItIs(Schema):  # type: ignore[type-arg]
    """A chunk is a list of fetched batches, which no codec reads."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> Any:
        return None

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:
        return message.value

    def compile(self, app: Any, **_: Any) -> Any:
        async def decode(message: Any, *, propagate: bool = False) -> Any:
            event: Any = _Event(app, None, message.value, message.headers, message)
            return event

        return decode


_Event = faust.Event


class FootfallApp(faust.App):
    """A Faust app that knows where its state reads on, and its lease; :mod:`pipeline.kafka.transport` asks for both."""

    footfall_connection: Connection
    footfall_failed: Callable[[BaseException], None]
    footfall_lease: Lease
    footfall_owners: Owners
    footfall_assignor: StateAssignor
    footfall_topic: str
    footfall_leave_on_exit: LeaveOnExit

    def _create_directories(self) -> None:
        """Nothing: state is ours, in memory or in :mod:`pipeline.worker.stores`, and the changelog is its truth."""

    async def footfall_positions(self) -> Mapping[TP, int]:
        """Position of every restored partition."""
        return {TP(self.footfall_topic, number): at for number, at in self.footfall_owners.positions().items()}

    async def footfall_receive(self, partition: int, batches: Sequence[Batch]) -> None:
        """Hand over what was fetched of a partition, or see that what was dropped before it is fetched again."""
        missed = await self.footfall_owners.receive(partition, batches)
        if missed is not None:
            await self.footfall_fetch_again(partition, missed)

    async def footfall_fetch_again(self, partition: int, offset: int) -> None:
        """Fetch a partition from ``offset`` on; nothing where it was taken away meanwhile."""
        tp, consumer = TP(self.footfall_topic, partition), cast("Consumer", self.consumer)
        with contextlib.suppress(IllegalStateError):
            await consumer.move({tp: offset})


if TYPE_CHECKING:

    def _asked_by_the_transport(app: FootfallApp) -> App:
        """The type checker sees that the app has what the transport asks of it."""
        return app


def build_app(
    kind: Kind,
    settings: Settings,
    owners: Owners,
    lease: Lease,
    leave_on_exit: LeaveOnExit,
    failed: Callable[[BaseException], None],
) -> FootfallApp:
    """The app of the stage ``kind``, its agent bound to ``owners``; nothing is started.

    ``brokers`` must be set; ``failed`` ends the process with what went wrong.
    """
    connection = settings.connection()
    app = _faust_app(kind, settings, connection)
    app.footfall_connection = connection
    app.footfall_failed = failed
    app.footfall_lease = lease
    app.footfall_owners = owners
    app.footfall_leave_on_exit = leave_on_exit
    app.footfall_assignor = StateAssignor(settings.standby, settings.partitions)
    app.footfall_topic = topic_name(settings.topic_prefix, STAGES[kind].source)
    source = app.topic(app.footfall_topic, schema=_AsItIs(), acks=False)
    app.agent(source, name=kind)(_AGENTS[kind](app.footfall_receive))
    _heed_rebalances(app, owners)
    return app


def _faust_app(kind: Kind, settings: Settings, connection: Connection) -> FootfallApp:
    """What Faust is told: it fetches and belongs to a group, and neither keeps state nor makes topics."""
    session = settings.session_timeout.total_seconds()
    return FootfallApp(
        group_name(settings.topic_prefix, kind),
        broker=[f"footfall://{address}" for address in connection.brokers.split(",")],
        datadir=str(settings.data_dir / kind),
        autodiscover=False,
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        key_serializer="raw",
        value_serializer="raw",
        broker_max_poll_records=_POLL_RECORDS,
        broker_session_timeout=session,
        broker_heartbeat_interval=session / 10,
        broker_request_timeout=max(_REQUEST_SECONDS, session),
        broker_commit_interval=3600.0,
        stream_buffer_maxsize=16,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        consumer_auto_offset_reset="none",
    )


def _heed_rebalances(app: FootfallApp, owners: Owners) -> None:
    """Have the owners restored at each assignment, and closed at each revocation."""

    async def revoked(*_: Any, **__: Any) -> None:
        await owners.revoke()

    async def assigned(*_: Any, **__: Any) -> None:
        mine = {tp.partition for tp in app.consumer.assignment() if tp.topic == app.footfall_topic}
        await owners.assign(mine, app.footfall_assignor.followed)

    app.on_partitions_revoked.connect(revoked, weak=False)
    app.on_rebalance_complete.connect(assigned, weak=False)

"""What a node of the embedded broker is told at its start: the text of its ``server.properties``."""

from collections.abc import Mapping
from typing import Final

__all__ = ["HOST", "Listeners", "server_properties"]

HOST: Final = "127.0.0.1"
Listeners = Mapping[str, tuple[int, int]]
"""Further listeners by name (upper case): the port that the broker binds and the one that it tells clients."""
_MESSAGE_BYTES: Final = 17 << 20
_PROPERTIES: Final = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
listeners=CLIENTS://{host}:{port},CONTROLLER://{host}:{controller}{bound}
advertised.listeners=CLIENTS://{host}:{port}{advertised}
listener.security.protocol.map=CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT{plain}
inter.broker.listener.name=CLIENTS
log.dirs={data}
default.replication.factor={replication}
offsets.topic.replication.factor={replication}
offsets.topic.num.partitions=8
transaction.state.log.replication.factor={replication}
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor={replication}
share.coordinator.state.topic.min.isr=1
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
message.max.bytes={message}
replica.fetch.max.bytes={message}
log.cleaner.dedupe.buffer.size=16777216
"""


def server_properties(
    node: int, port: int, voters: Mapping[int, int], data: str, listeners: Listeners, more: Mapping[str, str]
) -> str:
    """Settings of ``node``, which serves clients at ``port`` and keeps ``data``; ``more`` is set last.

    ``voters`` maps the node ids of the cluster to their controller ports.
    """
    own = _PROPERTIES.format(
        bound="".join(f",{name}://{HOST}:{bound}" for name, (bound, _) in listeners.items()),
        advertised="".join(f",{name}://{HOST}:{port}" for name, (_, port) in listeners.items()),
        plain="".join(f",{name}:PLAINTEXT" for name in listeners),
        node=node,
        voters=",".join(f"{each}@{HOST}:{controller}" for each, controller in sorted(voters.items())),
        host=HOST,
        port=port,
        controller=voters[node],
        data=data,
        replication=min(3, len(voters)),
        message=_MESSAGE_BYTES,
    )
    return own + "".join(f"{name}={value}\n" for name, value in more.items())

"""A catalogue with a type of every kind of field and a metric of every kind, beside the built-in ones."""

from typing import Final

from schemas.catalogue.catalogue import Catalogue
from schemas.catalogue.fields import Field, FieldType, ItemClass
from schemas.catalogue.loading import read_catalogue
from schemas.catalogue.types import Basis, EventType

__all__ = ["METERS", "METERS_TEXT"]

METERS_TEXT: Final = """
[types."file.uploaded"]
title = "A file was uploaded"
basis = "contract"
fields = { kind = "dim", bytes = "int", visibility = ["private", "shared"] }

[types."call.ended"]
title = "A call ended"
basis = "opt-out"
fields = { protocol = "dim?", duration = "int", encrypted = "bool?", participants = "int?" }

[types."device.checked"]
title = "A device told what it is"
basis = "contract"
passive = true
[types."device.checked".fields]
serial = "serial"
licence = "licence?"
version = "version"
at = "time?"
by = "name?"
list = "id?"
key = "fingerprint?"
used = "int"

[types."version.told"]
title = "A field that is a number elsewhere"
basis = "contract"
fields = { used = "version?", bytes = "dim?", duration = "bool?", kind = "int?" }

[metrics.files_uploaded]
title = "files uploaded, by kind and visibility"
kind = "count"
type = "file.uploaded"
dimensions = ["kind", "visibility"]

[metrics.bytes_uploaded]
title = "bytes uploaded, by kind"
kind = "sum"
type = "file.uploaded"
field = "bytes"
unit = "By"
dimensions = ["kind"]

[metrics.private_bytes]
title = "bytes uploaded in private"
kind = "sum"
type = "file.uploaded"
field = "bytes"
unit = "By"
where = { visibility = "private" }
windows = ["P1D"]

[metrics.uploaders]
title = "sources that uploaded, by visibility"
kind = "sources"
type = "file.uploaded"
dimensions = ["visibility"]

[metrics.storage]
title = "bytes of the last file of each source"
kind = "gauge"
type = "file.uploaded"
field = "bytes"
unit = "By"
dimensions = ["kind"]
windows = ["P1D", "P1M"]

[metrics.call_seconds]
title = "seconds of calls, by protocol"
kind = "sum"
type = "call.ended"
field = "duration"
unit = "s"
dimensions = ["protocol"]

[metrics.call_duration]
title = "durations of calls, by protocol"
kind = "distribution"
type = "call.ended"
field = "duration"
unit = "s"
dimensions = ["protocol"]

[metrics.call_participants]
title = "participants of calls, where it is told"
kind = "distribution"
type = "call.ended"
field = "participants"
windows = ["PT1H"]

[metrics.encrypted]
title = "sources whose last call was encrypted"
kind = "gauge"
type = "call.ended"
field = "encrypted"
windows = ["PT1H", "P1D"]
"""
_ITEMS = (
    ItemClass("serial", (Field("serial", FieldType.SERIAL),)),
    ItemClass("licence", (Field("until", FieldType.TIME, required=False),)),
)
_LISTED = EventType(
    "system.listed",
    "What a system consists of.",
    Basis.CONTRACT,
    (Field("items", FieldType.ITEMS, classes=_ITEMS), Field("quantity", FieldType.INT)),
)

_READ = read_catalogue(METERS_TEXT)
METERS: Final[Catalogue] = Catalogue({**_READ.types, _LISTED.name: _LISTED}, _READ.metrics)

"""The corrections topic as a reader sees it: each (id, revision) once; and whether it accounts for the sink."""

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.kafka.reader import StoredRecord
from pipeline.proof.verify import Difference, DifferenceKind
from schemas.wire.aggregates import Status
from schemas.wire.corrections import Correction, decode_correction
from schemas.wire.forms import UnknownFormError

__all__ = ["CorrectionsView", "compare_corrections"]


class CorrectionsView:
    """Corrections by (id, revision); the first record of each counts, and repeats are to be equal."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, int], Correction] = {}
        self.strange: list[Difference] = []
        """Records that are no correction, lie elsewhere than they should, or tell again something else."""

    def apply(self, stored: Iterable[StoredRecord]) -> None:
        """Take in records of the topic, of each partition in order of offset."""
        for record in stored:
            try:
                found = decode_correction(record.value or b"")
            except UnknownFormError:
                key = (record.key or b"").decode(errors="replace")
                place = f"partition {record.partition} offset {record.offset}"
                self.strange.append(Difference(key, DifferenceKind.WRONG, "correction", "a known correction", place))
                continue
            first = self.records.setdefault((found.id, found.revision), found)
            if found != first:
                self._wrong(found, "a repeat of", _text(first), _text(found))
            if (record.key, record.partition) != (found.id.encode(), found.cause.partition):
                self._wrong(found, "the place of", found.cause.partition, record.partition)

    def _wrong(self, correction: Correction, what: str, expected: object, found: object) -> None:
        name = f"{what} {_name(correction.revision)}"
        self.strange.append(Difference(correction.id, DifferenceKind.WRONG, name, expected, found))

    def unbalanced(self, sink: Mapping[str, Mapping[str, Any]]) -> list[Difference]:
        """Where final plus corrections is not current, by id; empty where they account for the sink.

        Each correction is to begin where the one before ended; the value in the sink is to be that after the last
        correction up to its revision; and figures are ``corrected`` there if and only if there is such a correction.
        That holds at any time: corrections are written before what they change is emitted.
        """
        wrong: list[Difference] = []
        chains: dict[str, list[Correction]] = {}
        for _, correction in sorted(self.records.items()):
            chains.setdefault(correction.id, []).append(correction)
        for identity, chain in chains.items():
            value = chain[0].old
            for each in chain:
                if (each.old, each.old + each.difference) != (value, each.new):
                    wrong.append(_unlike(identity, f"old of {_name(each.revision)}", value, each.old))
                value = each.new
        for identity, figure in sink.items():
            chain = [each for each in chains.get(identity, ()) if each.revision <= figure["revision"] | 1]
            if (figure["status"] == Status.CORRECTED.value) != bool(chain):
                wrong.append(_unlike(identity, "status", "corrected" if chain else "no correction", figure["status"]))
            elif chain:
                total = chain[0].old + sum(each.difference for each in chain)
                if total != figure["value"]:
                    wrong.append(_unlike(identity, "final plus corrections", total, figure["value"]))
        return wrong


def compare_corrections(
    stored: Iterable[StoredRecord],
    expected: Mapping[tuple[str, int], Correction],
    sink: Mapping[str, Mapping[str, Any]],
) -> list[Difference]:
    """Everything that is wrong with the topic's records: missing, surplus, told otherwise, or not the sink's."""
    view = CorrectionsView()
    view.apply(stored)
    wrong = [*view.strange]
    for identity, revision in sorted(view.records.keys() | expected.keys()):
        found, wanted = view.records.get((identity, revision)), expected.get((identity, revision))
        if found is None or wanted is None:
            kind = DifferenceKind.MISSING if found is None else DifferenceKind.SURPLUS
            wrong.append(Difference(identity, kind, _name(revision), wanted and _text(wanted), found and _text(found)))
        elif found != wanted:
            wrong.append(_unlike(identity, _name(revision), _text(wanted), _text(found)))
    return wrong + view.unbalanced(sink)


def _unlike(identity: str, name: str, expected: object, found: object) -> Difference:
    return Difference(identity, DifferenceKind.WRONG, name, expected, found)


def _name(revision: int) -> str:
    return f"correction {revision}"


def _text(correction: Correction) -> str:
    cause = correction.cause
    return f"{correction.old} to {correction.new}, {cause.kind.value} at {cause.partition}/{cause.offset}"

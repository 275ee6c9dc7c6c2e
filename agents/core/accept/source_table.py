"""The sources that are in memory, grouped by company."""

from collections.abc import Mapping
from typing import Final

from agents.core.accept.source import Source, company_of

__all__ = ["NO_SOURCES", "Groups", "SourceTable", "take_out"]

Groups = dict[bytes, dict[bytes, Source]]
"""By company, then by ``company|pseudonym``; no group is empty."""
NO_SOURCES: Final[dict[bytes, Source]] = {}
"""The group of a company without any; never changed."""


class SourceTable:
    """Two generations: those used lately, and over a store those used before that, which go first."""

    __slots__ = ("known", "older")

    def __init__(self) -> None:
        self.known: Groups = {}
        self.older: Groups = {}

    def get(self, key: bytes) -> Source | None:
        """The source in either generation."""
        company = company_of(key)
        return self.known.get(company, NO_SOURCES).get(key) or self.older.get(company, NO_SOURCES).get(key)

    def group(self, company: bytes) -> Mapping[bytes, Source]:
        """A company's sources in both generations."""
        return {**self.older.get(company, NO_SOURCES), **self.known.get(company, NO_SOURCES)}

    def put(self, source: Source) -> None:
        """Have the source among those used lately."""
        company = company_of(source.key)
        group = self.known.get(company)
        if group is None:
            group = self.known[company] = {}
        group[source.key] = source

    def age(self) -> None:
        """Let go of those not used lately; the others are the older ones from now on."""
        self.older, self.known = self.known, {}


def take_out(groups: Groups, key: bytes) -> Source | None:
    """Remove a source from a generation; None where it is not there."""
    group = groups.get(company_of(key), NO_SOURCES)
    source = group.pop(key, None)
    if source is not None and not group:
        del groups[company_of(key)]
    return source

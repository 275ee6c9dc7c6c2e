"""Words of consent of installations and apps, and whether an event may be counted under them (design 1.6).

A word is one key of the state, ``c`` company ``|`` scope ``|`` subject (a pseudonym of 16 bytes), whose payload
is [granted, withdrawn at, mark of the last withdrawal that took effect]. Words are never forgotten.
"""

from collections.abc import Iterable, Iterator

import msgspec

from agents.core.joins import payload_of, seal
from schemas.events import Basis, ConsentScope

__all__ = ["Consent"]

NEVER_WITHDRAWN = -1
_SCOPE = {ConsentScope.PLATFORM.value: b"p", ConsentScope.APP.value: b"a"}
_decode = msgspec.msgpack.Decoder().decode
_WORD_COST = 120


class Consent:
    """Every word of one partition."""

    def __init__(self) -> None:
        self._words: dict[bytes, tuple[bool, int, int]] = {}
        self._touched: dict[bytes, None] = {}

    @property
    def any_word(self) -> bool:
        """Whether anybody in the partition ever gave one."""
        return bool(self._words)

    @staticmethod
    def key(company: str, scope: str, subject: bytes) -> bytes:
        """The state's key of a word."""
        return b"c" + company.encode() + b"|" + _SCOPE[scope] + b"|" + subject

    def withdraw(self, key: bytes, at: int, mark: int, *, too_late: bool) -> int:
        """Take a withdrawal that counts from ``at``; a too late repeat of the last one changes nothing."""
        _, before, last = self._words.get(key, (False, NEVER_WITHDRAWN, -1))
        if too_late and last == mark:
            return 0
        return self._set(key, (False, max(before, at), mark))

    def grant(self, key: bytes, time: int) -> int:
        """Take a grant, which takes effect only if it is later than every withdrawal."""
        _, withdrawn, mark = self._words.get(key, (True, NEVER_WITHDRAWN, -1))
        return self._set(key, (True, withdrawn, mark)) if time > withdrawn else 0

    def _set(self, key: bytes, word: tuple[bool, int, int]) -> int:
        self._words[key] = word
        self._touched[key] = None
        return _WORD_COST + len(key)

    def allows(self, basis: Basis, company: str, installation: bytes, source: bytes) -> bool:
        """Whether an event of this basis counts; both subjects are pseudonyms."""
        if basis is Basis.CONTRACT or (basis is Basis.OPT_OUT and not self._words):
            return True
        platform = self._words.get(self.key(company, "platform", installation))
        app = self._words.get(self.key(company, "app", source))
        if (platform is not None and not platform[0]) or (app is not None and not app[0]):
            return False
        if basis is Basis.OPT_OUT:
            return True
        return platform is not None and (installation == source or app is not None)

    def writes(self, fence: int) -> Iterator[tuple[bytes, bytes]]:
        """Every word touched since this was last asked."""
        for key in self._touched:
            yield key, seal(fence, self._words[key])
        self._touched = {}

    def restore(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        """Take up joined words."""
        for key, value in items:
            granted, withdrawn, mark = _decode(payload_of(value))
            self._words[key] = (granted, withdrawn, mark)

"""Words of consent of installations and apps, and whether an event may be counted under them (design 1.6).

A word is one key of the state, ``c`` company ``|`` scope ``|`` subject (a pseudonym of 16 bytes), whose payload
is [granted, withdrawn at, mark of the last withdrawal that took effect]. Words are never forgotten. All are in
memory, or, over a store, those lately asked for.

A withdrawal for which a company has no room any more is kept as one word of the company, ``c`` company ``|x|``: from
then on only what needs no consent counts there.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from agents.core.shared.joins import seal, value_reader
from agents.core.shared.store import Store
from schemas.catalogue.types import Basis, ConsentScope

__all__ = ["HOT_WORDS", "Consent"]

NEVER_WITHDRAWN = -1
_SCOPE = {ConsentScope.PLATFORM.value: b"p", ConsentScope.APP.value: b"a"}
_Word = tuple[bool, int, int]
_read = value_reader("a word of consent", tuple[bool, int, int])
_WORD_COST = 120
HOT_WORDS = 50_000
"""Words held in memory over a store, those that nobody gave too, and a chunk's more."""


class Consent:
    """Every word of one partition."""

    def __init__(self) -> None:
        self.any_word = False
        """Whether anybody in the partition ever gave one."""
        self._words: dict[bytes, _Word | None] = {}
        self._store: Store | None = None
        self._touched: dict[bytes, None] = {}
        self._counts: Counter[bytes] = Counter()
        """Words by company; over a store of companies that were counted."""
        self.most_words = 0
        """The most that any company was seen to have."""
        self.closed = 0
        """Companies in which only what needs no consent counts; over a store those closed since it was attached."""

    @staticmethod
    def key(company: str, scope: str, subject: bytes) -> bytes:
        """The state's key of a word."""
        return b"c" + company.encode() + b"|" + _SCOPE[scope] + b"|" + subject

    def close(self, company: str) -> int:
        """Let nothing count in a company any more but what needs no consent; by how much the state grew."""
        if self.is_closed(company):
            return 0
        self.closed += 1
        return self._set(_company_key(company), (False, NEVER_WITHDRAWN, -1))

    def is_closed(self, company: str) -> bool:
        """Whether nothing counts in a company but what needs no consent."""
        return self._word(_company_key(company)) is not None

    def has_room(self, key: bytes, most: int) -> bool:
        """Whether a word can be kept under ``key`` where a company may have ``most`` words."""
        if self._word(key) is not None:
            return True
        count = self.count(_company_of(key))
        self.most_words = max(self.most_words, min(count + 1, most))
        return count < most

    def count(self, company: bytes) -> int:
        """How many words a company has."""
        if self._store is not None and company not in self._counts:
            stored = {key for key, _ in self._store.scan(b"c" + company + b"|")}
            stored |= {key for key in self._touched if _company_of(key) == company}
            self._counts[company] = len(stored - {_company_key(company.decode())})
        return self._counts[company]

    def withdraw(self, key: bytes, at: int, mark: int, *, may_repeat: bool) -> int:
        """Take a withdrawal that counts from ``at``; where it may be a repeat of the last one that changes nothing."""
        _, before, last = self._word(key) or (False, NEVER_WITHDRAWN, -1)
        if may_repeat and last == mark:
            return 0
        return self._set(key, (False, max(before, at), mark))

    def grant(self, key: bytes, time: int) -> int:
        """Take a grant, which takes effect only if it is later than every withdrawal."""
        _, withdrawn, mark = self._word(key) or (True, NEVER_WITHDRAWN, -1)
        return self._set(key, (True, withdrawn, mark)) if time > withdrawn else 0

    def _word(self, key: bytes) -> _Word | None:
        word = self._words.get(key)
        if word is None and self._store is not None and key not in self._words:
            value = self._store.get(key)
            word = self._words[key] = None if value is None else _read(value)
        return word

    def _set(self, key: bytes, word: _Word) -> int:
        if self._word(key) is None and (self._store is None or _company_of(key) in self._counts):
            self._counts[_company_of(key)] += key != _company_key(_company_of(key).decode())
        self.any_word = True
        self._words[key] = word
        self._touched[key] = None
        return _WORD_COST + len(key)

    def allows(self, basis: Basis, company: str, installation: bytes, source: bytes) -> bool:
        """Whether an event of this basis counts; both subjects are pseudonyms."""
        if basis is Basis.CONTRACT or (basis is Basis.OPT_OUT and not self.any_word):
            return True
        if self.is_closed(company):
            return False
        platform = self._word(self.key(company, "platform", installation))
        app = self._word(self.key(company, "app", source))
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
            self._words[key] = _read(value)
            is_closed = key == _company_key(_company_of(key).decode())
            self._counts[_company_of(key)] += not is_closed
            self.closed += is_closed
        self.any_word = bool(self._words)

    def attach(self, store: Store) -> None:
        """Read from ``store`` from now on."""
        self._store = store
        self.any_word = next(iter(store.scan(b"c")), None) is not None

    def settle(self) -> None:
        """All that changed is in the store: let go of it where it is much."""
        if self._store is not None and len(self._words) > HOT_WORDS:
            self._words = {}
            self._counts.clear()


def _company_key(company: str) -> bytes:
    return b"c" + company.encode() + b"|x|"


def _company_of(key: bytes) -> bytes:
    return key[1 : key.index(b"|")]

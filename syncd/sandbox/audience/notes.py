"""What the marketer noted about members. Pure."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from msgspec import Struct

from syncd.sandbox.audience.problems import not_found

if TYPE_CHECKING:
    from syncd.sandbox.audience.members import Clock, Member


class Note(Struct):
    """One note."""

    id: int
    text: str
    created_at: int
    updated_at: int


class Notes:
    """The notes of an audience by contact: they stay with a person who gets another address."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ids = count(1)
        self._by_contact: dict[str, dict[int, Note]] = {}

    def of(self, member: Member) -> list[Note]:
        """The notes about a member, oldest first."""
        return list(self._by_contact.get(member.contact_id, {}).values())

    def get(self, member: Member, note_id: str) -> Note:
        """One note. Raises: Problem 404."""
        found = self._by_contact.get(member.contact_id, {}).get(int(note_id)) if note_id.isdecimal() else None
        if found is None:
            raise not_found()
        return found

    def add(self, member: Member, text: str) -> Note:
        """Afterwards this is noted about the member."""
        note = Note(next(self._ids), text, self._clock.now(), self._clock.now())
        self._by_contact.setdefault(member.contact_id, {})[note.id] = note
        return note

    def forget(self, member: Member) -> None:
        """Afterwards nothing is noted about the member."""
        self._by_contact.pop(member.contact_id, None)

    def change(self, member: Member, note_id: str, text: str) -> Note:
        """Afterwards the note says this. Raises: Problem 404."""
        note = self.get(member, note_id)
        note.text, note.updated_at = text, self._clock.now()
        return note

    def delete(self, member: Member, note_id: str) -> None:
        """Afterwards the note is gone. Raises: Problem 404."""
        del self._by_contact[member.contact_id][self.get(member, note_id).id]

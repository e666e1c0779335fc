"""A disk under SQLite that remembers what was written in which order, and what of it was certainly kept.

`traced()` has every file that SQLite opens in this process written by way of us; `Trace.images()` are the disks
that a power cut may leave: what was synchronised is there, of the rest none, some, or the first part, and a write
may be torn between two sectors. `refusing()` is a disk that takes no more writes. The file system's own methods do
the work, we stand in between.
"""

from __future__ import annotations

import _sqlite3
import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_int, c_int64, c_void_p, cast
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from threading import Lock
from typing import Any, NamedTuple

OK, READONLY, FULL, IOERR_WRITE = 0, 8, 13, 778
SECTOR = 512

_OPEN = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
_WRITE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_TRUNCATE = CFUNCTYPE(c_int, c_void_p, c_int64)
_SYNC = CFUNCTYPE(c_int, c_void_p, c_int)


class _Vfs(Structure):
    """`sqlite3_vfs` of sqlite3.h, as far as we look into it; the rest is copied as it is."""

    _fields_ = (
        *(("iVersion", c_int), ("szOsFile", c_int), ("mxPathname", c_int), ("pNext", c_void_p)),
        *(("zName", c_char_p), ("pAppData", c_void_p), ("xOpen", c_void_p), ("rest", c_void_p * 15)),
    )


class _Methods(Structure):
    """`sqlite3_io_methods`: what can be done with an open file."""

    _fields_ = (
        *(("iVersion", c_int), ("xClose", c_void_p), ("xRead", c_void_p), ("xWrite", c_void_p)),
        *(("xTruncate", c_void_p), ("xSync", c_void_p), ("rest", c_void_p * 13)),
    )


class _File(Structure):
    """`sqlite3_file`: what every file begins with."""

    _fields_ = (("pMethods", POINTER(_Methods)),)


class Happened(NamedTuple):
    """One thing that was done to a file: `data` from `offset` on, cut at `offset`, or synchronised.

    `commits`: how many transactions had been acknowledged by then.
    """

    what: str
    file: str
    offset: int
    data: bytes
    commits: int


@dataclass
class Trace:
    """What happened to the files of one directory, from a moment on in which all was kept."""

    directory: Path
    refuse: Callable[[str], int] = lambda file: OK
    commits: int = 0
    happened: list[Happened] = field(default_factory=list)
    before: dict[str, bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.before = {path.name: path.read_bytes() for path in self.directory.iterdir() if is_kept(path.name)}

    def note(self, what: str, file: str, offset: int, data: bytes = b"") -> None:
        """This happened to a file now."""
        self.happened.append(Happened(what, file, offset, data, self.commits))

    def images(self, chance: Random, every: int = 1) -> Iterator[tuple[int, dict[str, bytearray]]]:
        """The disks that a power cut may leave after each `every`-th write: how many transactions had been
        acknowledged, and the files.
        """
        kept = {name: bytearray(data) for name, data in self.before.items()}
        pending: list[Happened] = []
        for at, each in enumerate(self.happened):
            if each.what == "sync":
                for one in pending:
                    if one.file == each.file:
                        _do(kept, one)
                pending = [one for one in pending if one.file != each.file]
            else:
                pending.append(each)
            if at % every:
                continue
            half = [one for one in pending if chance.random() < 0.5]
            prefix = pending[: chance.randint(0, len(pending))]
            for survived in ([], half, prefix):
                image = {name: bytearray(data) for name, data in kept.items()}
                for one in survived:
                    _do(image, _torn(one, chance))
                yield each.commits, image


def is_kept(name: str) -> bool:
    """The index of the journal is memory, and gone with the power."""
    return not name.endswith(("-shm", ".lock"))


def _torn(one: Happened, chance: Random) -> Happened:
    """Every fifth write ends between two sectors."""
    if one.what != "write" or chance.random() > 0.2:
        return one
    return one._replace(data=one.data[: SECTOR * chance.randint(0, len(one.data) // SECTOR)])


def _do(files: dict[str, bytearray], one: Happened) -> None:
    data = files.setdefault(one.file, bytearray())
    if one.what == "truncate":
        del data[one.offset :]
        return
    data.extend(bytes(max(0, one.offset - len(data))))
    data[one.offset : one.offset + len(one.data)] = one.data


_library = ctypes.CDLL(_sqlite3.__file__)
_library.sqlite3_vfs_find.restype = POINTER(_Vfs)
_system = _library.sqlite3_vfs_find(None)
# SQLite holds on to all of these for as long as a file is open.
_methods: dict[int, tuple[_Methods, list[Any]]] = {}
_names: dict[int, str] = {}
_current: list[Trace] = []
_lock = Lock()


def _open(vfs: int, name: int | None, file: int, flags: int, out: int) -> int:
    # The name goes on as the same place in memory: SQLite's files keep looking at it.
    found: int = _OPEN(_system.contents.xOpen)(cast(_system, c_void_p).value, name, file, flags, out)
    path = Path(ctypes.string_at(name).decode()) if name else Path()
    if found == OK and _current and path.parent == _current[-1].directory:
        opened = cast(file, POINTER(_File)).contents
        _names[file] = path.name
        opened.pMethods = ctypes.pointer(_noted(opened.pMethods))
    return found


def _noted(system: Any) -> _Methods:
    """The methods, of which those that change a file are noted first."""
    address = ctypes.addressof(system.contents)
    if address not in _methods:
        write, cut, sync = (
            kind(getattr(system.contents, name))
            for kind, name in ((_WRITE, "xWrite"), (_TRUNCATE, "xTruncate"), (_SYNC, "xSync"))
        )

        def noted_write(file: int, data: int, size: int, offset: int) -> int:
            with _lock:
                if _current and (refused := _current[-1].refuse(_names[file])):
                    return refused
                if _current:
                    _current[-1].note("write", _names[file], offset, ctypes.string_at(data, size))
            return int(write(file, data, size, offset))

        def noted_cut(file: int, size: int) -> int:
            with _lock:
                if _current:
                    _current[-1].note("truncate", _names[file], size)
            return int(cut(file, size))

        def noted_sync(file: int, flags: int) -> int:
            with _lock:
                if _current:
                    _current[-1].note("sync", _names[file], 0)
            return int(sync(file, flags))

        copy = _Methods.from_buffer_copy(system.contents)
        kept = [_WRITE(noted_write), _TRUNCATE(noted_cut), _SYNC(noted_sync)]
        copy.xWrite, copy.xTruncate, copy.xSync = (cast(each, c_void_p).value for each in kept)
        _methods[address] = copy, kept
    return _methods[address][0]


_open_noted = _OPEN(_open)
_ours = _Vfs.from_buffer_copy(_system.contents)
_ours.zName, _ours.pNext, _ours.xOpen = b"traced", None, cast(_open_noted, c_void_p).value


@contextmanager
def traced(directory: Path, refuse: Callable[[str], int] = lambda file: OK) -> Iterator[Trace]:
    """Within, what SQLite opens in the directory is noted; close it before, so that it is opened anew.

    `refuse` gives for a file what a write to it answers: OK, or an error of SQLite's.
    """
    trace = Trace(directory, refuse)
    _current.append(trace)
    _library.sqlite3_vfs_register(byref(_ours), 1)
    try:
        yield trace
    finally:
        _library.sqlite3_vfs_register(_system, 1)
        _library.sqlite3_vfs_unregister(byref(_ours))
        _current.remove(trace)

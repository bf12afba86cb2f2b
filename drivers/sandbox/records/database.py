# SPDX-License-Identifier: Apache-2.0
"""The SQLite file behind a sandbox: opened for every call, and made when missing.

A connection lives as long as one transaction. SQLite's connections must not be carried
over a fork, and workers fork; a connection costs less than half a millisecond.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from networker import exceptions
from networker.drivers.sandbox.errors import SandboxError
from networker.drivers.sandbox.records import schema

#: Seconds to wait for other writers.
PATIENCE = 30.0

_CONTENDED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_PROTOCOL)


class Database:
    """The state of a sandbox, shared by any number of processes and threads.

    :param path: the file
    :param populate: fills a new database inside the transaction that makes its tables
    """

    def __init__(
        self, path: Path, populate: Callable[[sqlite3.Connection], None]
    ) -> None:
        # A service may change its directory later.
        self._path = path.absolute()
        self._populate = populate

    def check(self) -> None:
        """Make the database if it is missing.

        :raises SandboxError: the file is no sandbox, or cannot be used
        """
        with self.read():
            pass

    @contextlib.contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Open a transaction that sees one state of the network.

        :raises SandboxError: the file is no sandbox, or cannot be used
        :raises CloudUnavailable: the database stayed locked
        """
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Open a transaction that changes the network, one at a time.

        It is committed at the end, and undone as a whole by an exception.

        :raises SandboxError: the file is no sandbox, or cannot be used
        :raises CloudUnavailable: the database stayed locked
        """
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        try:
            # Closing a connection rolls back what was not committed.
            with contextlib.closing(self._connect()) as connection:
                self._prepare(connection)
                connection.execute(begin)
                yield connection
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._explained(error) from error

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=PATIENCE, isolation_level=None)
        connection.row_factory = sqlite3.Row
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA foreign_keys = ON")
        # Killed processes lose nothing even so; a power failure may cost the sandbox.
        connection.execute("PRAGMA synchronous = OFF")
        if self._is_made(connection):
            return
        _write_ahead(connection)
        connection.execute("BEGIN IMMEDIATE")
        if not self._is_made(connection):
            for statement in schema.STATEMENTS:
                connection.execute(statement)
            self._populate(connection)
        connection.execute("COMMIT")

    def _is_made(self, connection: sqlite3.Connection) -> bool:
        if not connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
            return False
        # Tables and identity appear in one transaction, so this is not too early.
        identity = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if (identity, version) != (schema.APPLICATION_ID, schema.VERSION):
            raise SandboxError(
                f"{self._path}: not the database of a sandbox of this version"
            )
        return True

    def _explained(self, error: sqlite3.Error) -> Exception:
        text = f"{self._path}: {error}"
        # Extended result codes carry the primary one in their lowest byte.
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _CONTENDED:
            return exceptions.CloudUnavailable(orig_msg=text)
        return SandboxError(text)


def _write_ahead(connection: sqlite3.Connection) -> None:
    # SQLite does not wait by itself when several processes change the mode at once.
    end = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            return

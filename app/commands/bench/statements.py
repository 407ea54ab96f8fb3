"""Counting what a process sends to its database."""

from typing import Any

from sqlalchemy import event

from app.core.database import Sessions

_OF_TRANSACTIONS = ("BEGIN", "COMMIT", "ROLLBACK")


class StatementCount:
    """Counts what goes to the server: statements of SQLAlchemy, and what asyncpg sends by itself."""

    def __init__(self, sessions: Sessions) -> None:
        #: all of it
        self.count = 0
        #: without those that begin and end transactions
        self.queries = 0
        self._watched: set[int] = set()
        self._engine = sessions.kw["bind"].sync_engine
        event.listen(self._engine, "before_cursor_execute", self._note)
        event.listen(self._engine, "checkout", self._watch)

    def reset(self) -> None:
        """From here on."""
        self.count = self.queries = 0

    def close(self) -> None:
        """No longer."""
        event.remove(self._engine, "before_cursor_execute", self._note)
        event.remove(self._engine, "checkout", self._watch)

    def _note(self, *_: Any) -> None:
        self.count += 1
        self.queries += 1

    def _hear(self, sent: Any) -> None:
        self.count += 1
        self.queries += not sent.query.upper().startswith(_OF_TRANSACTIONS)

    def _watch(self, adapted: Any, *_: Any) -> None:
        driver = adapted.driver_connection
        if id(driver) not in self._watched:
            self._watched.add(id(driver))
            # BEGIN, COMMIT and anything that goes past SQLAlchemy; prepared statements are counted above
            driver.add_query_logger(self._hear)

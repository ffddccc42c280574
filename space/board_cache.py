"""The board as the pages see it, made anew only when the store has another result: a thousand results are not read again for every visitor."""

from __future__ import annotations

import threading

from sqlalchemy import func, select

from leaderboard.board import Board
from leaderboard.config import Config
from leaderboard.kept import current_board
from leaderboard.store import Store, results
from space.board_data import board_json


class BoardCache:
    """Call it for the board; ``json()`` for what the table reads. Safe to use from several threads."""

    def __init__(self, store: Store, config: Config) -> None:
        self._store, self._config, self._lock = store, config, threading.Lock()
        self._state: object = None
        self._board, self._json = Board(()), ""

    def __call__(self) -> Board:
        """The board now."""
        with self._store.read() as connection:
            state = tuple(connection.execute(select(func.count(), func.max(results.c.created), func.sum(results.c.created))).one())
        with self._lock:
            if state != self._state:
                self._board, self._json = current_board(self._store, self._config), ""
                self._state = state
            return self._board

    def json(self) -> str:
        """The board as JSON, see :mod:`space.board_data`."""
        board = self()
        with self._lock:
            if not self._json or board is not self._board:
                self._json = board_json(self._board)
            return self._json

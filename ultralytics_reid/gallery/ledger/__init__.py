"""The gallery's ledger: its rows in SQL, in a SQLite file or a PostgreSQL schema."""

from .database import Database, Health
from .ledger import Deleted, Ledger, Move

__all__ = ["Database", "Deleted", "Health", "Ledger", "Move"]

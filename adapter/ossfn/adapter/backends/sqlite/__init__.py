"""Deliveries in one SQLite file."""

from ossfn.adapter.backends.sqlite.backend import SqliteBackend as SqliteBackend

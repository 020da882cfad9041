"""The HTTP doors: ingest, admin API, health."""

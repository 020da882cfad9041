"""The HTTP doors: ingest, JSON API, health and metrics on one port, the S3 notification API on its own."""

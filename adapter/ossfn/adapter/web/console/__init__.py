"""The console at `/console/`: pages for people, made on this side, that ask the JSON API for all that they show."""

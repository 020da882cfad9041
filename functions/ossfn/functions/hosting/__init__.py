"""One functions-framework process group per function: start, watch, replace, stop. Read `host.py` first."""

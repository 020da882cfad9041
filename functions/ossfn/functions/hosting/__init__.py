"""One functions-framework process group per function: start, watch, stop."""

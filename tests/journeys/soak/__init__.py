"""`./dev soak`: kills the service again and again under load and counts what was lost (nothing) and repeated."""

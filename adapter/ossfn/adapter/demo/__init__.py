"""The first thing a stranger runs: a real object store, real functions, and every event on its way between them."""

"""Which event goes to which target, and the limits on saying so."""

"""The running service: notifications in, CloudEvents out, nothing lost between."""

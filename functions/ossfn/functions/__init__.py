"""Author, deploy, run and look after functions."""

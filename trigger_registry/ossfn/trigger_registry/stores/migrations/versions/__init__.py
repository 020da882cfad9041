"""The steps themselves, in order."""

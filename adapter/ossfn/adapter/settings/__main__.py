"""`python -m ossfn.adapter.settings > docs/settings.md` writes the page anew."""

from ossfn.adapter.settings.page import page

print(page(), end="")

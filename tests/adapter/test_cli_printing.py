"""What is written: harmless on a terminal, whole for programs."""

import pytest

from ossfn.adapter.cli.printing import shown, write_fields, write_table


def test_text_of_strangers_cannot_move_the_cursor() -> None:
    assert shown("照片/a\x1b[2J\n\u202e.jpg") == "照片/a\\x1b[2J\\n\\u202e.jpg"
    assert shown("\udcff") == "\\udcff"
    assert [shown(value) for value in (None, True, False, 0, ["a", "b"])] == ["", "yes", "no", "0", "a b"]


def test_away_from_a_terminal_nothing_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    write_table(("key", "size"), [("a" * 300, 1), ("b", None)])
    write_fields([("size_mb", 3), ("reason", "")])

    assert capsys.readouterr().out.splitlines() == [f"KEY{' ' * 79}SIZE", f"{'a' * 300}  1", "b", "size mb  3"]

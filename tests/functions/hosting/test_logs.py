"""What functions print: cut into lines, kept, rotated, read back."""

from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ossfn.functions.hosting import logs
from ossfn.functions.hosting.logs import LINE_CHARACTERS, OLD_FILES, FunctionLog, Lines, LogLine


def line(number: int) -> LogLine:
    return LogLine(float(number), 1, "stdout", f"line {number}")


@given(st.lists(st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), max_size=30)), st.data())
def test_lines_come_out_as_they_were_printed_however_the_pipe_cuts_them(texts: list[str], data: st.DataObject) -> None:
    printed = "".join(text + "\n" for text in texts).encode()
    found: list[str] = []
    cutter, at = Lines(), 0
    while at < len(printed):
        size = data.draw(st.integers(1, 40))
        found += cutter.feed(printed[at : at + size])
        at += size
    assert [*found, *cutter.feed(b"")] == texts


def test_a_last_line_without_its_end_and_lines_without_end_are_kept_in_pieces() -> None:
    cutter = Lines()
    assert cutter.feed(b"a\r\n\nb") == ["a", ""]
    assert cutter.feed(b"") == ["b"]
    pieces = [piece for _ in range(5) for piece in cutter.feed(b"x" * LINE_CHARACTERS)] + list(cutter.feed(b"\n"))
    assert "".join(pieces) == "x" * LINE_CHARACTERS * 5
    assert max(map(len, pieces)) == LINE_CHARACTERS


def test_the_last_lines_are_read_across_files_and_old_ones_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "FILE_BYTES", 2000)
    with closing(FunctionLog(tmp_path / "logs")) as log:
        for number in range(200):
            log.append([line(number)])
        assert log.last(50) == [line(number) for number in range(150, 200)]
        everything = log.last(1000)
        assert everything == [line(number) for number in range(200 - len(everything), 200)]
        assert 50 < len(everything) < 200
        assert len(list((tmp_path / "logs").iterdir())) == 1 + OLD_FILES
        assert log.last(0) == []


def test_a_log_goes_on_after_a_restart_and_skips_what_a_full_disk_has_cut(tmp_path: Path) -> None:
    first = FunctionLog(tmp_path / "logs")
    first.append([line(1)])
    first.close()
    with (tmp_path / "logs/current.jsonl").open("ab") as file:
        file.write(b'{"time":2.0,"ver\n')
    second = FunctionLog(tmp_path / "logs")
    second.append([line(3)])
    assert second.last(10) == [line(1), line(3)]
    second.close()


def test_a_full_disk_loses_lines_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "current.jsonl").symlink_to("/dev/full")
    log = FunctionLog(folder)
    log.append([line(1)])
    log.close()


def test_prints_go_on_where_no_new_file_can_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "FILE_BYTES", 100)
    with closing(FunctionLog(tmp_path / "logs")) as log:
        (tmp_path / "logs/next.jsonl").mkdir()  # as a full disk does, it lets nothing be created there
        for number in range(20):
            log.append([line(number)])
        assert log.last(30) == [line(number) for number in range(20)]
        (tmp_path / "logs/next.jsonl").rmdir()
        log.append([line(20)])
        log.append([line(21)])
        assert log.last(30) == [line(number) for number in range(22)]
        assert (tmp_path / "logs/1.jsonl").exists()


def test_a_line_that_comes_after_the_end_is_let_go(tmp_path: Path) -> None:
    log = FunctionLog(tmp_path / "logs")
    log.close()
    log.append([line(1)])
    assert log.last(1) == []

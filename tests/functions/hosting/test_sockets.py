"""Sockets that are there before and after the processes behind them."""

import asyncio
import shutil
import socket
import stat
from contextlib import closing
from pathlib import Path

from ossfn.functions.hosting.sockets import ReadySocket, connections, listen, make_run_folder, make_socket_folder


def test_connections_are_counted_from_the_moment_they_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a b"
    with listen(path) as listener:
        assert connections(path) == 0
        with socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as second:
            first.connect(str(path))
            second.connect(str(path))
            assert connections(path) == 2
            taken, _ = listener.accept()
            assert connections(path) == 2
            taken.close()
        assert connections(tmp_path / "a") == 0


def test_only_we_may_enter_the_run_folder_and_it_starts_empty(tmp_path: Path) -> None:
    wanted = Path("/tmp") / f"ossfn-{tmp_path.name[:8]}-{id(tmp_path)}"  # noqa: S108  # tmp_path is too long for a socket
    wanted.mkdir()
    (wanted / "stale.sock").touch()
    run = make_run_folder(wanted)
    assert run == wanted
    assert list(run.iterdir()) == []
    assert stat.S_IMODE(run.stat().st_mode) == 0o700
    folder = make_socket_folder(run, "f" * 128)
    listen(folder / "gunicorn.ctl").close()
    (folder / "gunicorn.ctl").unlink()
    folder.rmdir()
    run.rmdir()


def test_a_path_too_long_for_sockets_is_replaced(tmp_path: Path) -> None:
    run = make_run_folder(tmp_path / ("d" * 100))
    listen(make_socket_folder(run, "f" * 128) / "gunicorn.ctl").close()
    assert stat.S_IMODE(run.stat().st_mode) == 0o700
    shutil.rmtree(run)


async def test_ready_is_heard_among_other_words(tmp_path: Path) -> None:
    path = tmp_path / "n"
    with closing(ReadySocket(path)) as notify, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as host:
        host.connect(str(path))
        waiting = asyncio.create_task(notify.ready())
        host.send(b"STATUS=loading")
        await asyncio.sleep(0.05)
        assert not waiting.done()
        host.send(b"STATUS=booted\nREADY=1")
        await asyncio.wait_for(waiting, 1)

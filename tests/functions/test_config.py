"""What may be said about a function, and how wrong words are refused."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ossfn.functions.config import check_alias, check_name, function_config, remote_config
from ossfn.functions.errors import FunctionRefused


@pytest.mark.parametrize("name", ["a", "_a", "A-1_b", "x" * 128])
def test_a_name_of_jd_s_alphabet_is_taken(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["", "1a", "-a", "a.b", "a/b", "..", "ä", "x" * 129, "a\n"])
def test_another_name_is_refused(name: str) -> None:
    with pytest.raises(FunctionRefused, match="is not a function name"):
        check_name(name)


def test_options_win_over_the_file_and_none_means_not_said() -> None:
    toml = 'concurrency = 2\ntimeout_seconds = 5\n[env]\nA = "file"\nB = "file"\n'
    config = function_config(toml, {"timeout_seconds": 7, "concurrency": None, "env": {"B": "option", "C": "option"}})
    assert (config.concurrency, config.timeout_seconds) == (2, 7)
    assert config.env == {"A": "file", "B": "option", "C": "option"}


def test_silence_means_the_defaults() -> None:
    config = function_config(None, {})
    assert (config.source, config.timeout_seconds, config.region, config.env) == ("main.py", 60, "cn-north-1", {})


@pytest.mark.parametrize(
    ("options", "field", "says"),
    [
        ({"timeout": 5}, "timeout", "known are name, source"),
        ({"timeout_seconds": 301}, "timeout_seconds", "less than or equal to 300"),
        ({"timeout_seconds": 0}, "timeout_seconds", "greater than or equal to 1"),
        ({"memory_mb": 1}, "memory_mb", "greater than or equal to 64"),
        ({"signature_type": "grpc"}, "signature_type", "'http', 'cloudevent'"),
        ({"source": "../main.py"}, "source", "inside the bundle"),
        ({"source": "/main.py"}, "source", "inside the bundle"),
        ({"entry_point": "a.b.c"}, "entry_point", "pattern"),
        ({"env": {"PATH": "/x"}}, "env", "PATH is reserved"),
        ({"env": {"FUN_X": "1"}}, "env", "FUN_X is reserved"),
        ({"env": {"DEBUG": "1"}}, "env", "DEBUG is reserved"),
        ({"env": {"LISTEN_FDS": "1"}}, "env", "LISTEN_FDS is reserved"),
        ({"env": {"1A": "x"}}, "env", "a name is a letter"),
        ({"env": {"A" * 65: "x"}}, "env", "a name is a letter"),
        ({"env": {"A": "x" * 4097}}, "env", "at most 4096 bytes"),
        ({"env": {"A": "x\0"}}, "env", "no NUL"),
        ({"env": {f"A{n}": "" for n in range(129)}}, "env", "at most 128"),
    ],
)
def test_a_wrong_option_is_refused_by_name(options: dict[str, object], field: str, says: str) -> None:
    with pytest.raises(FunctionRefused) as refused:
        function_config(None, options)
    (fault,) = refused.value.faults
    assert fault.field == field
    assert says in fault.message


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(FunctionRefused) as refused:
        function_config("timeout_seconds = 0\nconcurrency = 0", {})
    assert [fault.field for fault in refused.value.faults] == ["concurrency", "timeout_seconds"]


def test_a_file_that_is_not_toml_is_refused_with_the_place() -> None:
    with pytest.raises(FunctionRefused, match="line 2"):
        function_config("a = 1\nb = \n", {})


def test_jd_s_limits_on_variables_are_taken_to_the_last() -> None:
    env = {f"A{n}": "x" for n in range(127)} | {"A" * 64: "y" * 4096}
    assert function_config(None, {"env": env}).env == env


@pytest.mark.parametrize("url", ["http://localhost:8080", "https://f.example.com/a?b=c", "http://[::1]:1/"])
def test_a_complete_url_is_taken(url: str) -> None:
    assert remote_config(url, {}).url == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "f.example.com",
        "ftp://f.example.com",
        "unix:/run/f.sock",
        "http://",
        "http://user@f.example.com",
        "http://:secret@f.example.com",
        "http://f.example.com/#a",
        "http://f.example.com:99999",
        "http://[::1",
        "http://f.example.com/a b",
        "http://f.example.com/\r\nX: y",
        "http://f.example.com/图片",
        "http://f.example.com/" + "a" * 2048,
    ],
)
def test_another_address_is_refused(url: str) -> None:
    with pytest.raises(FunctionRefused) as refused:
        remote_config(url, {})
    assert [fault.field for fault in refused.value.faults] == ["url"]


@given(st.dictionaries(st.text(max_size=20), st.none() | st.integers() | st.text(max_size=20), max_size=5), st.text())
def test_no_input_does_anything_but_pass_or_be_refused(options: dict[str, object], toml: str) -> None:
    for read in (lambda: function_config(toml, options), lambda: remote_config(toml, options)):
        with suppress(FunctionRefused):
            read()


def test_aliases_are_ten_and_well_named() -> None:
    present = [f"a{number}" for number in range(10)]
    check_alias("a0", present)
    with pytest.raises(FunctionRefused, match="remove one of a0, a1"):
        check_alias("more", present)
    for bad in ("", "1", "a b", "x" * 65):
        with pytest.raises(FunctionRefused, match="not an alias"):
            check_alias(bad, [])

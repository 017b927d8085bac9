"""The local socket answers one line for each line, whatever is written to it, and only for owner and group."""

import asyncio
import json
import os
import socket
import stat
from collections.abc import Callable, Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import DaemonUnreachable, RequestRefused, SocketForbidden, StateUnusable
from edge.local import (
    LONGEST_LINE,
    MOST_CONNECTIONS,
    Answer,
    AskSignal,
    AskStatus,
    AskTap,
    LocalSocket,
    Request,
    ask,
    decode_request,
)
from protocol.cards import CardId

T = TypeVar("T")


async def respond(request: Request) -> Answer:
    """A terminal that is well, and takes cards that are cards."""
    match request:
        case AskStatus():
            return {"terminal": "gate-1"}
        case AskTap(card, reader):
            return {"card": str(CardId.parse(card)), "reader": reader}
        case AskSignal(pattern, seconds):
            return {"pattern": pattern, "seconds": seconds}
        case _:
            return {"asked": type(request).__name__}


def serving(path: Path, visit: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What the visit gives while the socket is served."""

    async def both() -> T:
        served = asyncio.create_task(LocalSocket(path, respond).run())
        await asyncio.sleep(0)
        try:
            return await visit()
        finally:
            served.cancel()
            await asyncio.gather(served, return_exceptions=True)

    return asyncio.run(both())


async def say(path: Path, *lines: bytes) -> list[dict[str, Any]]:
    """The answers to these lines on one connection, up to the end of it."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"".join(lines))
    writer.write_eof()
    answers = (await reader.read()).splitlines()
    writer.close()
    return [json.loads(line) for line in answers]


def test_a_request_is_answered(tmp_path: Path) -> None:
    path = tmp_path / "terminal.sock"
    answer = serving(path, lambda: asyncio.to_thread(ask, path, AskStatus()))
    assert answer == {"terminal": "gate-1"}


def test_several_requests_on_one_connection_are_answered_in_order(tmp_path: Path) -> None:
    path = tmp_path / "terminal.sock"
    tap = b'{"ask":"tap","card":"uid:04a1b2c3"}\n'
    assert serving(path, lambda: say(path, tap, b'{"ask":"status"}\n')) == [
        {"answer": {"card": "uid:04A1B2C3", "reader": None}},
        {"answer": {"terminal": "gate-1"}},
    ]


def test_a_refusal_reaches_the_asker_in_words(tmp_path: Path) -> None:
    path = tmp_path / "terminal.sock"
    with pytest.raises(RequestRefused, match=r"not a card id.*for example uid:04A1B2C3D4E5F6"):
        serving(path, lambda: asyncio.to_thread(ask, path, AskTap("04A1")))


def test_a_line_that_is_no_request_is_refused_and_the_next_is_answered(tmp_path: Path) -> None:
    path = tmp_path / "terminal.sock"
    lines = [
        b"hello\n",
        b"\n",
        b"\xff\xfe\n",
        b'{"ask":"open"}\n',
        b'{"ask":"status","please":1}\n',
        b'{"ask":"status"}\n',
    ]
    *refusals, last = serving(path, lambda: say(path, *lines))
    assert len(refusals) == 5
    assert all("not a request" in refusal["refused"] for refusal in refusals)
    assert last == {"answer": {"terminal": "gate-1"}}


def test_a_line_without_end_is_refused_when_it_is_too_long(tmp_path: Path) -> None:
    path = tmp_path / "terminal.sock"
    (refusal,) = serving(path, lambda: say(path, b"x" * (2 * LONGEST_LINE)))
    assert refusal == {"refused": f"a line is at most {LONGEST_LINE} bytes"}


def test_an_asker_who_leaves_in_the_middle_harms_nobody(tmp_path: Path) -> None:
    path = tmp_path / "terminal.sock"

    async def visit() -> list[dict[str, Any]]:
        _, writer = await asyncio.open_unix_connection(path)
        writer.write(b'{"ask":')
        writer.transport.abort()
        return await say(path, b'{"ask":"status"}\n')

    assert serving(path, visit) == [{"answer": {"terminal": "gate-1"}}]


def test_too_many_askers_at_once_are_told_so(tmp_path: Path) -> None:
    path = tmp_path / "terminal.sock"

    async def visit() -> bytes:
        others = []
        for _ in range(MOST_CONNECTIONS):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(b'{"ask":"status"}\n')
            await reader.readline()
            others.append(writer)
        reader, writer = await asyncio.open_unix_connection(path)
        refusal = await reader.readline()
        for each in [*others, writer]:
            each.close()
        return refusal

    assert b"others are connected; try again" in serving(path, visit)


def test_an_asker_who_stays_does_not_disturb_the_stop(tmp_path: Path) -> None:
    path = tmp_path / "terminal.sock"
    complaints: list[dict[str, Any]] = []

    with closing(socket.socket(socket.AF_UNIX)) as staying:
        staying.settimeout(5)

        def connect() -> bytes:
            staying.connect(str(path))
            staying.sendall(b'{"ask":"status"}\n')
            return staying.recv(4096)

        async def visit() -> bytes:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
            return await asyncio.to_thread(connect)

        assert b"gate-1" in serving(path, visit)
    assert complaints == []


def test_only_owner_and_group_may_ask(tmp_path: Path) -> None:
    path = tmp_path / "terminal.sock"

    async def visit() -> int:
        return stat.S_IMODE(path.stat().st_mode)

    assert serving(path, visit) == 0o660


def test_a_socket_left_by_a_killed_daemon_is_replaced_and_gone_after_a_clean_stop(tmp_path: Path) -> None:
    path = tmp_path / "terminal.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with pytest.raises(DaemonUnreachable):
        ask(path, AskStatus())
    path.unlink()
    assert serving(path, lambda: asyncio.to_thread(ask, path, AskStatus()))
    assert not path.exists()


def test_a_socket_that_cannot_be_made_names_the_folder(tmp_path: Path) -> None:
    with pytest.raises(StateUnusable, match=r"nowhere.terminal.sock cannot be used"):
        asyncio.run(LocalSocket(tmp_path / "nowhere" / "terminal.sock", respond).run())


def test_without_a_daemon_the_asker_learns_how_to_start_it(tmp_path: Path) -> None:
    with pytest.raises(DaemonUnreachable, match=r"systemctl start grindvakt.*grindvakt run"):
        ask(tmp_path / "terminal.sock", AskStatus())


@given(line=st.binary(max_size=200) | st.text(max_size=80).map(str.encode))
def test_no_bytes_whatever_are_more_than_a_refusal(line: bytes) -> None:
    try:
        request = decode_request(line)
    except RequestRefused:
        return
    assert isinstance(request, AskStatus | AskTap)


def test_who_may_not_ask_is_told_who_may(tmp_path: Path) -> None:
    path = tmp_path / "terminal.sock"
    own = os.geteuid()
    with closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(str(path))
        path.chmod(0)
        try:
            if own == 0:
                os.seteuid(65534)  # root may open everything
            with pytest.raises(SocketForbidden, match="ask as root, or as a member of the daemon's group"):
                ask(path, AskStatus())
        finally:
            os.seteuid(own)

"""The Unix socket by which the commands on this machine ask the daemon: a JSON object per line, an answer per line."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import structlog

from edge.doors.simulated_door import Act
from edge.errors import DaemonUnreachable, RequestRefused, SocketForbidden, StateUnusable, TerminalError
from edge.events import Event
from edge.readers.simulated import ReaderAct
from edge.signals.patterns import Pattern
from protocol.errors import UNREADABLE, ProtocolError

FILE_NAME: Final = "terminal.sock"
LONGEST_LINE: Final = 4096
LONGEST_ANSWER: Final = 1024 * 1024
MOST_CONNECTIONS: Final = 16
LONGEST_SHOWING: Final = 600.0
"""Seconds: who looks for a terminal has found it by then, or asks again."""

PATIENCE: Final = 10.0
"""Seconds that either side waits for the other's line."""

Word = Annotated[str, msgspec.Meta(max_length=200)]

_log = structlog.get_logger()


class AskStatus(msgspec.Struct, frozen=True, tag_field="ask", tag="status", forbid_unknown_fields=True):
    """How is the terminal?"""


class AskTap(msgspec.Struct, frozen=True, tag_field="ask", tag="tap", forbid_unknown_fields=True):
    """Hold a card against a simulated reader; without `reader` against the first."""

    card: str
    reader: str | None = None


class AskReader(msgspec.Struct, frozen=True, tag_field="ask", tag="reader", forbid_unknown_fields=True):
    """Do this to a simulated reader; without `reader` to the first."""

    act: ReaderAct
    reader: str | None = None


class AskSignal(msgspec.Struct, frozen=True, tag_field="ask", tag="signal", forbid_unknown_fields=True):
    """Show a pattern for so many seconds, or until somebody taps."""

    pattern: Pattern
    seconds: Annotated[float, msgspec.Meta(ge=0.1, le=LONGEST_SHOWING)] = 5.0


class AskDoor(msgspec.Struct, frozen=True, tag_field="ask", tag="door", forbid_unknown_fields=True):
    """How is this door? With `act`: do that to a simulated one first."""

    door: str
    act: Act | None = None


class AskOpen(msgspec.Struct, frozen=True, tag_field="ask", tag="open", forbid_unknown_fields=True):
    """Open this door as a granted tap does."""

    door: str


class AskInspected(msgspec.Struct, frozen=True, tag_field="ask", tag="inspected", forbid_unknown_fields=True):
    """Write down that the ledger is shown: what of it, to whom and how, in words by name."""

    details: Annotated[dict[Annotated[str, msgspec.Meta(max_length=20)], Word], msgspec.Meta(max_length=12)]


class AskSightings(msgspec.Struct, frozen=True, tag_field="ask", tag="sightings", forbid_unknown_fields=True):
    """What did the readers see after this number? Answered when there is something, or after a while; none: at once."""

    after: Annotated[int, msgspec.Meta(ge=0)] | None = None


class AskProvision(msgspec.Struct, frozen=True, tag_field="ask", tag="provision", forbid_unknown_fields=True):
    """Give this OSDP reader a new key of its own, and say what came of it."""

    reader: str


Request = AskStatus | AskTap | AskReader | AskSignal | AskDoor | AskOpen | AskInspected | AskSightings | AskProvision
Answer = dict[str, Any]


class _Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """Either the answer, or why there is none."""

    answer: Answer | None = None
    refused: str | None = None


_encoder = msgspec.json.Encoder()
_requests: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_replies = msgspec.json.Decoder(_Reply)


def decode_request(line: bytes) -> Request:
    """Read a request. Raises RequestRefused, saying what was expected."""
    try:
        return _requests.decode(line)
    except UNREADABLE as exc:
        raise RequestRefused(f'not a request: {exc}; ask for {{"ask":"status"}} or {{"ask":"tap","card":…}}') from exc


class LocalSocket:
    """Serves the socket; `respond` gives the answer to a request, or raises a TerminalError or ProtocolError."""

    def __init__(self, path: Path, respond: Callable[[Request], Awaitable[Answer]]) -> None:
        self._path = path
        self._respond = respond
        self._connections = 0

    async def run(self) -> None:
        """Serve until cancelled; the socket is there as soon as this has begun. Raises StateUnusable."""
        try:
            bound = _bound(self._path)
        except OSError as exc:
            raise StateUnusable(self._path, exc.strerror or str(exc)) from exc
        try:
            async with await asyncio.start_unix_server(self._serve, sock=bound, limit=LONGEST_LINE) as server:
                await server.serve_forever()
        finally:
            bound.close()
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        try:
            if self._connections > MOST_CONNECTIONS:
                await _send(writer, _Reply(refused=f"{MOST_CONNECTIONS} others are connected; try again"))
                return
            while await self._answer_line(reader, writer):
                pass
        except OSError:  # the asker went away or says nothing: that is its business
            return
        except asyncio.CancelledError:  # the daemon stops; asyncio would report a connection's cancelled task as a bug
            return
        finally:
            self._connections -= 1
            writer.close()

    async def _answer_line(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one line; False when there will be no other."""
        try:
            async with asyncio.timeout(PATIENCE):
                line = await reader.readline()
        except ValueError:  # asyncio's word for a line over the limit
            await _send(writer, _Reply(refused=f"a line is at most {LONGEST_LINE} bytes"))
            return False
        if not line:
            return False
        try:
            reply = _Reply(answer=await self._respond(decode_request(line)))
        except (TerminalError, ProtocolError) as refusal:
            _log.warning(Event.REQUEST_REFUSED, why=str(refusal))
            reply = _Reply(refused=str(refusal))
        await _send(writer, reply)
        return True


async def _send(writer: asyncio.StreamWriter, reply: _Reply) -> None:
    writer.write(_encoder.encode(reply) + b"\n")
    async with asyncio.timeout(PATIENCE):
        await writer.drain()


def _bound(path: Path) -> socket.socket:
    """A socket that owner and group may use; one left by a killed daemon is replaced (the state's lock is ours)."""
    path.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    umask = os.umask(0o117)
    try:
        bound.bind(str(path))
        bound.listen(MOST_CONNECTIONS)
    except OSError:
        bound.close()
        raise
    finally:
        os.umask(umask)
    return bound


def ask(path: Path, request: Request) -> Answer:
    """Ask the running daemon, from another process. Raises DaemonUnreachable, SocketForbidden, RequestRefused."""
    try:
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(str(path))
            connection.sendall(_encoder.encode(request) + b"\n")
            with connection.makefile("rb") as stream:
                reply = _replies.decode(stream.readline(LONGEST_ANSWER))
    except PermissionError as exc:
        raise SocketForbidden(path) from exc
    except OSError as exc:
        raise DaemonUnreachable(path, exc.strerror or str(exc), hangs=isinstance(exc, TimeoutError)) from exc
    except msgspec.MsgspecError as exc:
        raise DaemonUnreachable(path, "its answer was cut off") from exc
    if reply.answer is None:
        raise RequestRefused(reply.refused or "the daemon gave no reason; look at its log")
    return reply.answer

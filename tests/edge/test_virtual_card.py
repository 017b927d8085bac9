"""The virtual card speaks vpcd's protocol, and both programs of the demonstration obey their input."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import reduce
from operator import xor
from pathlib import Path

import pytest

from edge.errors import VirtualReaderFault
from edge.piv.applet import PivCard
from edge.piv.issuer import Issuer
from edge.piv.kept import Kept, keep
from edge.readers.pcsc.virtual_card import ATR, ATR_PIV, Held, Pulled, VirtualCard, obey, random_uid
from edge.readers.pcsc.virtual_reader import VirtualReader, reader_name
from tests.support.pcscd import free_port_pairs

GET_UID = bytes.fromhex("FFCA000000")
SELECT = bytes.fromhex("00A40400 09 A00000030800001000 00")
GET_CHUID = bytes.fromhex("00CB3FFF 05 5C03 5FC102 00")
PIV = PivCard.issued(bytes(range(16)), Issuer.created("ID06"))
READ = """
import sys
from edge.readers import CardSeen
from edge.readers.pcsc.pcsc import PcscReader

def tell(sighting):
    print(sighting.card if isinstance(sighting, CardSeen) else sighting, flush=True)

PcscReader("gate", sys.argv[1]).start(tell)
sys.stdin.read()
"""


class Vpcd:
    """The reader's end of the line, as the driver speaks it."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]

    def accept(self) -> None:
        self.line, _ = self.listener.accept()
        self.line.settimeout(5)

    def send(self, message: bytes) -> None:
        self.line.sendall(len(message).to_bytes(2, "big"))
        self.line.sendall(message)

    def receive(self) -> bytes:
        return self.read(int.from_bytes(self.read(2), "big"))

    def read(self, size: int) -> bytes:
        received = b""
        while len(received) < size and (part := self.line.recv(size - len(received))):
            received += part
        return received


@pytest.fixture
def vpcd() -> Iterator[Vpcd]:
    driver = Vpcd()
    with driver.listener:
        yield driver
        driver.line.close()


@pytest.fixture
def card(vpcd: Vpcd) -> Iterator[VirtualCard]:
    held = VirtualCard(vpcd.port)
    yield held
    held.remove()


def test_the_answer_to_reset_is_one_that_pcsc_knows() -> None:
    """PC/SC part 3: a 20-byte ATR of a storage card, or one of ISO/IEC 14443-4; all but the first byte cancel out."""
    assert len(ATR) == 20
    assert len(ATR_PIV) == 5 + (ATR_PIV[1] & 0x0F)
    for each in (ATR, ATR_PIV):
        assert reduce(xor, each[1:]) == 0


def test_a_card_answers_control_bytes_and_commands(vpcd: Vpcd, card: VirtualCard) -> None:
    card.insert(b"\x04\xa1\xb2\xc3")
    vpcd.accept()
    for control in (b"\x04", b"\x01", b"\x04", b"\x02", b"\x04", b"\x00", b"\x04"):
        vpcd.send(control)
        if control == b"\x04":
            assert vpcd.receive() == ATR
    vpcd.send(GET_UID)
    assert vpcd.receive() == bytes.fromhex("04A1B2C39000")
    vpcd.send(bytes.fromhex("00A4040000"))
    assert vpcd.receive() == bytes.fromhex("6A81")


def test_taking_the_card_away_ends_the_line(vpcd: Vpcd, card: VirtualCard) -> None:
    card.insert(b"\x04\xa1\xb2\xc3")
    vpcd.accept()
    card.remove()
    assert vpcd.read(1) == b""


@pytest.mark.parametrize(
    ("pulled", "heard"),
    [(Pulled.BEFORE_ANSWER, b""), (Pulled.MID_ANSWER, bytes.fromhex("0006 04A1B2C3"))],
)
def test_a_pulled_card_falls_silent_where_it_is_told_to(
    vpcd: Vpcd, card: VirtualCard, pulled: Pulled, heard: bytes
) -> None:
    card.insert(b"\x04\xa1\xb2\xc3", pulled=pulled)
    vpcd.accept()
    vpcd.send(GET_UID)
    assert vpcd.read(100) == heard


def test_a_card_pulled_after_its_atr_answers_the_reset_and_no_more(vpcd: Vpcd, card: VirtualCard) -> None:
    card.insert(b"\x04\xa1\xb2\xc3", pulled=Pulled.AFTER_ATR)
    vpcd.accept()
    vpcd.send(b"\x04")
    assert vpcd.receive() == ATR
    vpcd.send(b"\x01")
    vpcd.send(b"\x04")
    assert vpcd.receive() == ATR
    assert vpcd.read(1) == b""


def test_a_piv_card_answers_as_its_applet_does_and_forgets_at_a_reset(vpcd: Vpcd, card: VirtualCard) -> None:
    card.hold(Held(b"\x04\xa1\xb2\xc3", PIV))
    vpcd.accept()
    vpcd.send(b"\x04")
    assert vpcd.receive() == ATR_PIV
    for control in (b"\x01", b"\x02"):
        vpcd.send(control)
        vpcd.send(GET_CHUID)
        assert vpcd.receive() == bytes.fromhex("6D00")
        vpcd.send(SELECT)
        assert vpcd.receive()[-2:] == bytes.fromhex("9000")
        vpcd.send(GET_CHUID)
        assert vpcd.receive()[-2:] == bytes.fromhex("6100")
    vpcd.send(GET_UID)
    assert vpcd.receive() == bytes.fromhex("04A1B2C39000")


@pytest.mark.parametrize("after", [0, 1, 2])
@pytest.mark.parametrize("pulled", [Pulled.BEFORE_ANSWER, Pulled.MID_ANSWER])
def test_a_card_may_be_pulled_at_any_command(vpcd: Vpcd, card: VirtualCard, after: int, pulled: Pulled) -> None:
    card.hold(Held(b"\x04\xa1\xb2\xc3", PIV, pulled=pulled, after=after))
    vpcd.accept()
    vpcd.send(b"\x01")
    for command in (SELECT, GET_CHUID, GET_UID)[:after]:
        vpcd.send(command)
        assert vpcd.receive()[-2:] != b""
    vpcd.send((SELECT, GET_CHUID, GET_UID)[after])
    heard = vpcd.read(1000)
    assert (heard == b"") is (pulled is Pulled.BEFORE_ANSWER)
    assert len(heard) < 2 + int.from_bytes(heard[:2], "big") or not heard


def test_a_chip_may_make_up_its_serial() -> None:
    assert {(serial[0], len(serial)) for serial in (random_uid(), random_uid())} == {(0x08, 4)}
    assert random_uid() != random_uid()


@pytest.mark.parametrize("uid", [b"\x04\xa1\xb2\xc3", None])
def test_a_line_holds_a_card_that_is_kept_in_a_folder(
    vpcd: Vpcd, card: VirtualCard, tmp_path: Path, uid: bytes | None
) -> None:
    keep(Kept(PIV, uid), tmp_path / "a card")
    obey(card, f"insert piv {tmp_path / 'a card'}\n", pytest.fail)
    vpcd.accept()
    vpcd.send(GET_UID)
    told = vpcd.receive()[:-2]
    assert told == uid if uid else told[0] == 0x08


def test_a_line_that_names_no_kept_card_is_answered(tmp_path: Path) -> None:
    complaints: list[str] = []
    obey(VirtualCard(1), f"insert piv {tmp_path}", complaints.append)
    assert "python -m edge.piv issue" in complaints[0]


@pytest.mark.parametrize("line", ["insert", "insert XY", "insert 04A1B2C3", "dance"])
def test_a_line_that_cannot_be_obeyed_is_answered_and_nothing_ends(line: str) -> None:
    complaints: list[str] = []
    with socket.socket() as taken:  # bound and not listening: a connection is refused
        taken.bind(("127.0.0.1", 0))
        obey(VirtualCard(taken.getsockname()[1]), line, complaints.append)
    assert len(complaints) == 1
    assert line in complaints[0]


def test_reader_and_card_run_as_programs_of_their_own(tmp_path: Path) -> None:
    """As the demonstration runs them: a card inserted by a line on standard input is read by a PC/SC reader."""
    (port,) = free_port_pairs(1)
    found = {**os.environ, "PCSCLITE_CSOCK_NAME": str(tmp_path / "run" / "pcscd.comm")}
    pcscd = program("edge.readers.pcsc.virtual_reader", "--dir", str(tmp_path), "--ports", str(port))
    assert said(pcscd) == "ready"
    card = program("edge.readers.pcsc.virtual_card", "--port", str(port))
    reading = subprocess.Popen(
        [sys.executable, "-c", READ, reader_name(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=found,
    )
    tell(card, "insert 04A1B2C3D4E5F6")
    assert said(reading) == "uid:04A1B2C3D4E5F6"
    for each in (reading, card):
        each.communicate("", timeout=5)
    pcscd.terminate()
    pcscd.communicate(timeout=5)
    assert [each.returncode for each in (pcscd, card, reading)] == [0, 0, 0]
    assert not (tmp_path / "run" / "pcscd.comm").exists()


def program(module: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def said(running: subprocess.Popen[str]) -> str:
    assert running.stdout is not None
    return running.stdout.readline().strip()


def tell(running: subprocess.Popen[str], line: str) -> None:
    assert running.stdin is not None
    running.stdin.write(line + "\n")
    running.stdin.flush()


def test_a_virtual_reader_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.readers.pcsc.virtual_reader._START", "exit 1")
    with pytest.raises(VirtualReaderFault, match=r"pcscd ended: ."):
        VirtualReader(tmp_path, free_port_pairs(1)).start()

"""The command: what it answers, with which status, and what it leaves."""

import logging
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import structlog
from sqlalchemy import select

from cloud import migrate
from cloud.accounts.models import Account
from cloud.accounts.service import check_password, verify
from cloud.cli import made_up_password, main
from cloud.customers.models import Customer
from cloud.database import Database
from tests.house.repository import ROOT
from tests.support.postgres import PostgresServer, free_port
from tests.support.waiting import until

COMMAND = [sys.executable, "-c", "import sys; from cloud.cli import main; sys.exit(main())"]


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No variables of the developer's, and afterwards the log goes where it went before."""
    for name in [name for name in os.environ if name.startswith("GRINDVAKT_")]:
        monkeypatch.delenv(name)
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = before
    root.setLevel(level)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Settings of a cloud of its own on free ports."""
    path = tmp_path / "cloud.toml"
    path.write_text(
        f'state_dir = "state"\nbroker_port = {free_port()}\nnode_modules = "{ROOT / "node_modules"}"\n'
        f"[listen]\nport = {free_port()}\n",
        encoding="utf-8",
    )
    return path


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(arguments)
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def the_database(config: Path) -> Database:
    return Database(f"sqlite:///{config.parent / 'state' / 'cloud.db'}")


def test_migrate_says_each_step_and_then_that_there_is_none(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = answer(capsys, "migrate", "--config", str(config))
    assert status == 0
    assert out.splitlines()[0] == "done: 0001: The tables this product begins with."
    assert out.splitlines()[-1].endswith(f"is at {migrate.wanted()}")
    status, out, _ = answer(capsys, "migrate", "--config", str(config))
    assert (status, out.strip().endswith(f"is at {migrate.wanted()} already")) == (0, True)


@pytest.mark.parametrize("kind", ["made up", "from a file"])
def test_an_account_that_is_created_can_log_in(config: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    (config.parent / "password").write_text("Grind-vakt-7\n", encoding="utf-8")
    how = ["--generate-password"] if kind == "made up" else ["--password-file", str(config.parent / "password")]
    status, out, _ = answer(capsys, "account", "create", "Anna", "--customer", "Bygg AB", *how, "--config", str(config))
    assert status == 0
    shown = re.search(r"^password: (.+)$", out, re.MULTILINE)
    assert (shown is None) is (kind == "from a file")
    database = the_database(config)
    with database.transaction() as session:
        account = verify(session, "anna", shown[1] if shown else "Grind-vakt-7")
        assert account is not None
        assert session.scalars(select(Customer.name).where(Customer.id == account.customer_id)).one() == "Bygg AB"
    database.close()


def test_staff_and_a_second_account_of_a_customer(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for login, whose in (("a", ("--customer", "Bygg AB")), ("b", ("--customer", "Bygg AB")), ("c", ("--staff",))):
        command = ("account", "create", login, *whose, "--generate-password", "--config", str(config))
        assert answer(capsys, *command)[0] == 0
    database = the_database(config)
    with database.reading() as session:
        found = dict(session.execute(select(Account.login, Account.customer_id)).all())
        assert len(session.scalars(select(Customer)).all()) == 1
    database.close()
    assert found["a"] == found["b"] is not None
    assert found["c"] is None


def test_a_weak_password_leaves_nothing(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (config.parent / "password").write_text("secret\n", encoding="utf-8")
    file = str(config.parent / "password")
    command = ("account", "create", "a", "--staff", "--password-file", file, "--config", str(config))
    status, _, err = answer(capsys, *command)
    assert (status, "at least 8 characters" in err) == (1, True)
    assert not (config.parent / "state").exists()


def test_a_taken_login_is_refused(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ("account", "create", "a", "--staff", "--generate-password", "--config", str(config))
    assert answer(capsys, *command)[0] == 0
    status, out, err = answer(capsys, *command)
    assert (status, out, "is taken" in err) == (1, "", True)


def test_made_up_passwords_keep_to_the_rule() -> None:
    made = {made_up_password() for _ in range(50)}
    assert len(made) == 50
    for password in made:
        check_password(password)


def test_wrong_settings_end_with_78_and_all_mistakes(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text('session_minutes = 0\nstate = "x"\n', encoding="utf-8")
    status, _, err = answer(capsys, "serve", "--config", str(config))
    assert status == 78
    assert "session_minutes" in err
    assert "state is no setting; did you mean state_dir?" in err


@pytest.mark.parametrize("arguments", [[], ["account"], ["account", "create", "x"], ["serve", "--colour"]])
def test_wrong_usage_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: grindvakt-cloud" in capsys.readouterr().err


def test_serve_refuses_an_unmigrated_server_with_what_to_do(
    config: Path, postgres: PostgresServer, capsys: pytest.CaptureFixture[str]
) -> None:
    url = postgres.create("unmigrated")
    config.write_text(f'database_url = "{url}"\n' + config.read_text(encoding="utf-8"), encoding="utf-8")
    status, _, err = answer(capsys, "serve", "--config", str(config))
    assert (status, "run `grindvakt-cloud migrate`" in err) == (1, True)
    postgres.drop("unmigrated")


def test_serve_says_who_has_its_port(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config.write_text(re.sub(r"\nport = \d+", f"\nport = {port}", config.read_text(encoding="utf-8")))
        status, _, err = answer(capsys, "serve", "--config", str(config))
    assert (status, f"cannot listen on 127.0.0.1:{port}" in err) == (1, True)


@pytest.fixture
def serving(config: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A cloud that serves, as its own process."""
    with (config.parent / "log").open("w") as log:
        process = subprocess.Popen(
            [*COMMAND, "serve", "--config", str(config)], cwd=ROOT, stdout=log, stderr=log, text=True
        )
    try:
        yield process, config
    finally:
        process.kill()
        process.wait()


def health(config: Path) -> bool:
    port = re.findall(r"port = (\d+)", config.read_text(encoding="utf-8"))[-1]
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/health").status_code == 200
    except httpx2.TransportError:
        return False


def said(config: Path) -> str:
    return (config.parent / "log").read_text(encoding="utf-8")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_serves_and_stops_in_order(serving: tuple[subprocess.Popen[str], Path], number: signal.Signals) -> None:
    process, config = serving
    until(lambda: health(config) and "link.connected" in said(config), 30, said(config))
    database = the_database(config)
    migrate.require(database)
    database.close()
    process.send_signal(number)
    assert process.wait(20) == 0
    assert "cloud.stopped" in said(config).splitlines()[-1]
    assert "Traceback" not in said(config)

"""The command `grindvakt-cloud`: serve, migrate, account create, ledger import, demo."""

import argparse
import asyncio
import getpass
import secrets
import string
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from cloud import migrate
from cloud.accounts.service import LANGUAGES, PASSWORD_RULE, AccountDraft, check_password, create
from cloud.app import bring_up_to_date, open_database, serve
from cloud.audit.service import NOBODY
from cloud.cli_ledger import import_ledger
from cloud.clock import SystemClock
from cloud.config import DEFAULT_PATH, EXIT_CONFIG, load
from cloud.customers import service as customers
from cloud.database import Database
from cloud.errors import CloudError, ConfigInvalid, FieldInvalid
from cloud.log import configure
from cloud.scope import Scope

OURSELVES: Final = Scope(NOBODY, None)
"""Who has this machine's shell and the configuration may do everything."""
WORDS: Final = 4
LETTERS: Final = "abcdefghjkmnpqrstuvwxyz"  # without those that look like others


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit status: 0, 1 where it could not be done, 2 for wrong usage, 78 for wrong settings.

    `ledger import` has a status of its own, 3, where part of the file is kept aside.
    """
    chosen = parser().parse_args(arguments)
    configure(sys.stderr)
    try:
        status: int = chosen.run(chosen)
    except CloudError as fault:
        return _complain([fault])
    except ExceptionGroup as group:  # from the tasks of `serve`
        expected, bugs = group.split(CloudError)
        if bugs is not None or expected is None:
            raise
        return _complain(list(_leaves(expected)))
    return status


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    root = argparse.ArgumentParser(prog="grindvakt-cloud", description="the cloud of Grindvakt: sync and portal")
    commands = root.add_subparsers(required=True, metavar="COMMAND")
    serving = commands.add_parser("serve", help="run portal and sync, and a broker where none is named")
    serving.set_defaults(run=_serve)
    migrating = commands.add_parser("migrate", help="bring the database to the tables of this program")
    migrating.set_defaults(run=_migrate)
    account = commands.add_parser("account", help="logins of the portal").add_subparsers(required=True, metavar="ACT")
    creating = account.add_parser("create", help="create a login")
    creating.set_defaults(run=_create_account)
    creating.add_argument("login", help="what is typed on the login page")
    creating.add_argument("--name", default="", help="the person's name")
    whose = creating.add_mutually_exclusive_group(required=True)
    whose.add_argument("--staff", action="store_true", help="one of our own staff, who sees every customer")
    whose.add_argument("--customer", metavar="NAME", help="the customer it belongs to; taken in where it is new")
    creating.add_argument("--language", choices=LANGUAGES, default="sv")
    password = creating.add_mutually_exclusive_group()
    password.add_argument("--password-file", type=Path, metavar="FILE", help="a file whose first line is the password")
    password.add_argument("--generate-password", action="store_true", help="make one up and print it once")
    importing = _ledger_import(commands)
    for each in (serving, migrating, creating, importing):
        each.add_argument("--config", type=Path, metavar="FILE", help=f"settings (default: {DEFAULT_PATH})")
    showing = commands.add_parser("demo", help="run a simulated site with cloud, broker and terminals on this machine")
    showing.set_defaults(run=_demo)
    showing.add_argument("--folder", type=Path, default=Path("build/demo"), help="where everything is kept")
    showing.add_argument("--port", type=int, help="port of the portal (default: a free one)")
    showing.add_argument("--node-modules", type=Path, default=Path("node_modules"), help="where npm put its packages")
    return root


def _ledger_import(commands: Any) -> argparse.ArgumentParser:
    ledger = commands.add_parser("ledger", help="ledgers of terminals").add_subparsers(required=True, metavar="ACT")
    importing: argparse.ArgumentParser = ledger.add_parser(
        "import", help="take in the ledger of a terminal that can no longer send it"
    )
    importing.set_defaults(run=lambda chosen: import_ledger(chosen, OURSELVES))
    importing.add_argument("file", type=Path, metavar="FILE", help="an export, or the ledger.db of its card")
    importing.add_argument("--dry-run", action="store_true", help="check it and say what is new; change nothing")
    return importing


def _serve(chosen: argparse.Namespace) -> int:
    settings = load(chosen.config)
    configure()
    asyncio.run(serve(settings, SystemClock()))
    return 0


def _migrate(chosen: argparse.Namespace) -> int:
    settings = load(chosen.config)
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = Database(settings.database_url)
    try:
        steps = bring_up_to_date(database, lambda step: print(f"done: {step}", flush=True))
    finally:
        database.close()
    print(f"{database.shown} is at {migrate.wanted()}" + ("" if steps else " already"))
    return 0


def _create_account(chosen: argparse.Namespace) -> int:
    settings = load(chosen.config)
    password, is_made_up = _password(chosen)
    check_password(password)
    database = open_database(settings)
    try:
        told = list(_account(database, chosen, password))
    finally:
        database.close()
    for line in told:
        print(line)
    if is_made_up:
        print(f"password: {password}")
    return 0


def _account(database: Database, chosen: argparse.Namespace, password: str) -> Iterator[str]:
    now = SystemClock().now()
    with database.transaction() as session:
        customer_id = None
        if not chosen.staff:
            customer = customers.by_name(session, OURSELVES, chosen.customer)
            if customer is None:
                customer = customers.create(session, OURSELVES, now, chosen.customer)
                yield f"customer {customer.name!r} taken in"
            customer_id = customer.id
        draft = AccountDraft(chosen.login, chosen.name, password, customer_id, chosen.language)
        account = create(session, OURSELVES, now, draft)
    yield f"account {account.login!r} created" + (" for our staff" if customer_id is None else "")


def _password(chosen: argparse.Namespace) -> tuple[str, bool]:
    """The password, and whether it was made up here."""
    if chosen.generate_password:
        return made_up_password(), True
    if chosen.password_file is not None:
        try:
            lines = chosen.password_file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as exc:
            raise FieldInvalid("password", f"{chosen.password_file} cannot be read: {exc}") from exc
        return (lines[0] if lines else ""), False
    if not sys.stdin.isatty():
        raise FieldInvalid("password", "nobody is there to type it; give --password-file or --generate-password")
    print(f"Password: {PASSWORD_RULE}.")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Once more: ") != password:
        raise FieldInvalid("password", "the two are not the same; try again")
    return password, False


def made_up_password() -> str:
    """A password that keeps to the rule and can be read out on the telephone."""
    words = ["".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(WORDS)]
    return "-".join([words[0].capitalize(), *words[1:], secrets.choice(string.digits) + secrets.choice(string.digits)])


def _demo(chosen: argparse.Namespace) -> int:
    from cloud.demo.run import demo

    return demo(chosen.folder, chosen.port, chosen.node_modules)


def _complain(faults: Sequence[BaseException]) -> int:
    for fault in faults:
        print(f"grindvakt-cloud: {fault}", file=sys.stderr)
    return EXIT_CONFIG if any(isinstance(fault, ConfigInvalid) for fault in faults) else 1


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for fault in group.exceptions:
        if isinstance(fault, BaseExceptionGroup):
            yield from _leaves(fault)
        else:
            yield fault

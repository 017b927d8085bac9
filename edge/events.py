"""Every name a line in the terminal's log can have; `docs/log-events.md` says what each means."""

from enum import StrEnum


class Event(StrEnum):
    """subject.past_participle; a line has one of these and key-values."""

    TERMINAL_STARTED = "terminal.started"
    TERMINAL_STOPPED = "terminal.stopped"
    TASK_FAILED = "task.failed"
    REQUEST_REFUSED = "request.refused"
    PANEL_OPENED = "panel.opened"

    TAP_ANSWERED = "tap.answered"
    TAP_REPEATED = "tap.repeated"
    CARD_UNREAD = "card.unread"
    LEDGER_FAILED = "ledger.failed"
    LEDGER_DAMAGED = "ledger.damaged"
    LEDGER_SALVAGED = "ledger.salvaged"
    LEDGER_REGAINED = "ledger.regained"
    LEDGER_CHECKED = "ledger.checked"
    LEDGER_PURGED = "ledger.purged"
    LEDGER_RESUMED = "ledger.resumed"
    RESERVE_CHANGED = "reserve.changed"
    SIGNAL_FAILED = "signal.failed"
    DOOR_FAILED = "door.failed"
    DOOR_CHANGED = "door.changed"
    INPUT_UNSTEADY = "input.unsteady"

    CLOCK_DOUBTED = "clock.doubted"
    CLOCK_TRUSTED = "clock.trusted"
    CLOCK_SET = "clock.set"

    READER_LOST = "reader.lost"
    READER_RETURNED = "reader.returned"
    READER_PROVISIONED = "reader.provisioned"
    KEYS_FAILED = "keys.failed"
    READER_REFUSED = "reader.refused"
    KEYS_IGNORED = "keys.ignored"
    POWER_CHANGED = "power.changed"
    READER_TAMPERED = "reader.tampered"
    ISSUER_REFUSED = "issuer.refused"

    RECEIPT_REFUSED = "receipt.refused"
    RECEIPT_LOWERED = "receipt.lowered"
    TABLE_APPLIED = "table.applied"
    TABLE_FAILED = "table.failed"
    TABLES_DISCARDED = "tables.discarded"
    LINK_CONNECTED = "link.connected"
    LINK_LOST = "link.lost"
    LINK_DELAYED = "link.delayed"
    BATCH_REPEATED = "batch.repeated"
    MESSAGE_REFUSED = "message.refused"

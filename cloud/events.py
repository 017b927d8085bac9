"""Every name a line in the cloud's log can have; `docs/log-events-cloud.md` says what each means."""

from enum import StrEnum


class Event(StrEnum):
    """subject.past_participle; a line has one of these and key-values."""

    CLOUD_STARTED = "cloud.started"
    CLOUD_STOPPED = "cloud.stopped"
    LIBRARY_SAID = "library.said"
    DATABASE_MIGRATED = "database.migrated"
    DATABASE_LOST = "database.lost"
    WAKEUPS_LOST = "wakeups.lost"
    AUTHORITY_CREATED = "authority.created"
    CERTIFICATE_ISSUED = "certificate.issued"

    BROKER_STARTED = "broker.started"
    BROKER_SAID = "broker.said"
    BROKER_LOST = "broker.lost"
    LINK_CONNECTED = "link.connected"
    LINK_LOST = "link.lost"
    LINK_DELAYED = "link.delayed"

    CERTIFICATE_TAKEN = "certificate.taken"
    CERTIFICATE_REFUSED = "certificate.refused"

    MESSAGE_REFUSED = "message.refused"
    BATCH_RECEIPTED = "batch.receipted"
    BATCH_REFUSED = "batch.refused"
    BATCH_GAPPED = "batch.gapped"
    BATCH_FORKED = "batch.forked"
    ENTRY_REFUSED = "entry.refused"
    ENTRY_UNHEEDED = "entry.unheeded"
    CARD_JOINED = "card.joined"
    CARD_CONFLICTED = "card.conflicted"
    CARD_OVERFILLED = "card.overfilled"
    CARD_UNLEARNT = "card.unlearnt"
    TABLE_PUBLISHED = "table.published"
    TABLE_OFFERED = "table.offered"

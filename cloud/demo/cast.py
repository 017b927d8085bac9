"""Who works on the demonstration's site, and with which cards: plausible companies and people who do not exist.

Personal numbers are official test numbers or have birth dates 1890-1899; organisation numbers are public test vectors.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DemoCompany:
    """A contractor on the site."""

    name: str
    number: str
    country: str = "SE"


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """A worker, the company the card is for, and the serial of the card's chip as a reader reports it.

    A card with a `guid` is one that ID06 has handed out since 2022: a PC/SC reader reads that from it, and has it prove
    itself; the other readers of the site see its serial only.
    """

    name: str
    number: str
    company: DemoCompany
    uid: str
    country: str = "SE"
    guid: str = ""


CUSTOMER = DemoCompany("Kvarnholmens Bygg AB", "5592440001")
BUILDER = CUSTOMER
ELECTRICIAN = DemoCompany("Nordanå El & Larm AB", "5561034249")
SCAFFOLDER = DemoCompany("Fyris Ställning AB", "5560160680")
PAINTER = DemoCompany("Målare Ek", "191212121212")
STEEL = DemoCompany("Konstrukcje Gryf Sp. z o.o.", "5842751979", "PL")

PROJECT_NAME = "Kvarnen etapp 2"
PROJECT_SITE_ID = "B1EX4MP3L2026"
OTHER_PROJECT_NAME = "Norrtullsskolan ombyggnad"
OTHER_PROJECT_SITE_ID = "B2EX4MP3L2026"

PEOPLE = (
    DemoPerson("Anna Lindqvist", "189304121230", BUILDER, "04A1B2C3D4E501"),
    DemoPerson("Johan Berggren", "189506172403", BUILDER, "04A1B2C3D4E502"),
    DemoPerson("Fatima Haddad", "189803013177", BUILDER, "04A1B2C3D4E503", guid="5D1F0C3A8E7B4296A4D1C7E2F0B38A03"),
    DemoPerson("Mikael Sundström", "189111094828", ELECTRICIAN, "04A1B2C3D4E504"),
    DemoPerson("Elin Norberg", "189605235515", ELECTRICIAN, "04A1B2C3D4E505", guid="5D1F0C3A8E7B4296A4D1C7E2F0B38A05"),
    DemoPerson("Amir Rezai", "197302889931", ELECTRICIAN, "5E7C12A9"),
    DemoPerson("Kerstin Åkesson", "189708306692", SCAFFOLDER, "04A1B2C3D4E507"),
    DemoPerson("Olle Wikström", "189402147368", SCAFFOLDER, "04A1B2C3D4E508", guid="5D1F0C3A8E7B4296A4D1C7E2F0B38A08"),
    DemoPerson("Gunnar Ek", "191212121212", PAINTER, "3F11D07B"),
    DemoPerson("Tomasz Wiśniewski", "202107919967", STEEL, "04A1B2C3D4E50A"),
    DemoPerson("Marek Zieliński", "CFT482913", STEEL, "04A1B2C3D4E50B", "PL"),
)

BLOCKED_PERSON = DemoPerson("Lars-Göran Falk", "189912248045", SCAFFOLDER, "04A1B2C3D4E5FB")
"""His card was reported lost; somebody still tries it now and then."""

UNKNOWN_UID = "04C0FFEE123480"
"""A card that nobody has enrolled yet: the project is open, so it is admitted with a signal of its own."""

COPIED_PERSON = DemoPerson(
    "Sofia Hallberg", "189508122364", BUILDER, "04A1B2C3D4E50C", guid="5D1F0C3A8E7B4296A4D1C7E2F0B38A0C"
)
"""She works elsewhere today. Somebody copied all that can be read of her card, but a key cannot be read."""

"""A message counts for the terminal its topic names, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import TerminalId, TopicInvalid
from protocol.topics import (
    ALL_BLOCKLIST,
    Down,
    Up,
    UpTopic,
    down,
    every_down,
    parse_down,
    parse_up,
    shard,
    terminal_id,
    up,
)

terminals = st.from_regex(r"[a-z0-9-]{1,40}", fullmatch=True).map(TerminalId)


@given(terminals, st.sampled_from(Up))
def test_what_is_built_is_parsed(terminal: TerminalId, what: Up) -> None:
    """Both sides agree on every topic up."""
    assert parse_up(up(terminal, what)) == UpTopic(terminal, what)
    assert 0 <= int(shard(terminal), 16) < 64


@given(terminals, st.sampled_from([Down.RECEIPT, Down.TABLE]))
def test_what_comes_down_is_for_this_terminal(terminal: TerminalId, what: Down) -> None:
    """And for no other."""
    assert parse_down(down(terminal, what), terminal) == (terminal, what)
    assert down(terminal, what).startswith(every_down(terminal)[:-1])
    with pytest.raises(TopicInvalid, match="not addressed"):
        parse_down(down(terminal, what), TerminalId("x" + terminal[:39]))


def test_the_blocklist_is_for_all() -> None:
    """One publish reaches everybody."""
    assert parse_down(ALL_BLOCKLIST, TerminalId("grind")) == ("all", Down.BLOCKLIST)


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "gv1/up/00/grind",
        "gv1/up/zz/grind/entries",
        "gv2/up/00/grind/entries",
        "gv1/up/00/GRIND/entries",
        "gv1/up/00/grind/entries/more",
        "gv1/down/grind/table",
        "x" * 5000,
    ],
)
def test_another_topic_is_refused(topic: str) -> None:
    """With words that fit into a log line."""
    with pytest.raises(TopicInvalid) as caught:
        parse_up(topic)
    assert len(str(caught.value)) < 400


def test_a_wrong_shard_or_word_is_refused() -> None:
    """A terminal cannot slip past the worker that leases its shard."""
    terminal = TerminalId("grind")
    wrong = f"{(int(shard(terminal), 16) + 1) % 64:02x}"
    with pytest.raises(TopicInvalid, match="belongs to"):
        parse_up(f"gv1/up/{wrong}/{terminal}/entries")
    with pytest.raises(TopicInvalid, match="not known"):
        parse_up(f"gv1/up/{shard(terminal)}/{terminal}/gossip")
    with pytest.raises(TopicInvalid, match="not known"):
        parse_down("gv1/down/grind/blocklist", terminal)


@pytest.mark.parametrize("text", ["", "Grind", "a/b", "a+b", "#", "å", "a" * 41, "a b"])
def test_a_name_that_would_break_topics_is_refused(text: str) -> None:
    """Wildcards and slashes never get into a topic."""
    with pytest.raises(TopicInvalid):
        terminal_id(text)

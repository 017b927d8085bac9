"""The store of the OSDP readers' keys: secret, whole after every power cut, and damaged never silently."""

import stat
from pathlib import Path

import pytest

from edge.errors import ReaderKeysUnusable
from edge.readers.osdp.keys import CREDENTIAL, FILE_NAME, NO_KEYS, SECRET_NAME, Keys, ReaderKeys

KEY = bytes(range(16))
OTHER = bytes(range(16, 32))


def test_keys_are_there_after_a_restart_and_only_for_their_reader(tmp_path: Path) -> None:
    ReaderKeys(tmp_path, {}).put("in", Keys(KEY))
    ReaderKeys(tmp_path, {}).put("out", Keys(None, OTHER))
    store = ReaderKeys(tmp_path, {})
    assert (store.of("in"), store.of("out"), store.of("shed")) == (Keys(KEY), Keys(None, OTHER), NO_KEYS)


def test_no_key_lies_readable_on_the_disk_nor_in_a_log(tmp_path: Path) -> None:
    ReaderKeys(tmp_path, {}).put("in", Keys(KEY, OTHER))
    for name in (FILE_NAME, SECRET_NAME):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
        assert KEY not in (tmp_path / name).read_bytes()
    assert KEY.hex() not in repr(Keys(KEY))
    assert repr(KEY) not in repr(Keys(KEY))


@pytest.mark.parametrize("cut", [0, 1, 15, 30, -1])
def test_a_damaged_store_says_what_to_do(tmp_path: Path, cut: int) -> None:
    store = ReaderKeys(tmp_path, {})
    store.put("in", Keys(KEY))
    store.path.write_bytes(store.path.read_bytes()[:cut])
    with pytest.raises(ReaderKeysUnusable, match="provision each OSDP reader anew"):
        store.of("in")
    with pytest.raises(ReaderKeysUnusable):
        store.put("in", Keys(OTHER))


def test_every_changed_byte_is_noticed(tmp_path: Path) -> None:
    store = ReaderKeys(tmp_path, {})
    store.put("in", Keys(KEY))
    whole = store.path.read_bytes()
    for place in range(len(whole)):
        store.path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ReaderKeysUnusable):
            store.of("in")


def test_a_store_without_its_secret_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    store = ReaderKeys(tmp_path, {})
    store.put("in", Keys(KEY))
    (tmp_path / SECRET_NAME).unlink()
    with pytest.raises(ReaderKeysUnusable, match="its secret is another one"):
        store.of("in")


def test_a_store_moves_to_the_secret_of_systemd_with_its_next_change(tmp_path: Path) -> None:
    ReaderKeys(tmp_path, {}).put("in", Keys(KEY))
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / CREDENTIAL).write_bytes(b"s" * 32)
    store = ReaderKeys(tmp_path, {"CREDENTIALS_DIRECTORY": str(credentials)})
    assert store.of("in") == Keys(KEY)
    store.put("in", Keys(OTHER))
    assert not (tmp_path / SECRET_NAME).exists()
    assert store.of("in") == Keys(OTHER)
    with pytest.raises(ReaderKeysUnusable):
        ReaderKeys(tmp_path, {}).of("in")


def test_a_credential_that_is_too_short_is_refused(tmp_path: Path) -> None:
    (tmp_path / CREDENTIAL).write_bytes(b"short")
    with pytest.raises(ReaderKeysUnusable, match="shorter than 16 bytes"):
        ReaderKeys(tmp_path, {"CREDENTIALS_DIRECTORY": str(tmp_path)}).put("in", Keys(KEY))


def test_what_a_power_cut_left_half_written_is_written_over(tmp_path: Path) -> None:
    store = ReaderKeys(tmp_path, {})
    store.put("in", Keys(KEY))
    (tmp_path / f"{FILE_NAME}.new").write_bytes(b"half")
    assert store.of("in") == Keys(KEY)
    store.put("in", Keys(OTHER))
    assert store.of("in") == Keys(OTHER)
    assert {path.name for path in tmp_path.iterdir()} == {FILE_NAME, SECRET_NAME}


def test_a_folder_that_cannot_be_written_is_a_clear_fault(tmp_path: Path) -> None:
    (tmp_path / f"{FILE_NAME}.new").mkdir()
    with pytest.raises(ReaderKeysUnusable):
        ReaderKeys(tmp_path, {}).put("in", Keys(KEY))

"""Settings that stand in files: read whole, given once, never told."""

import json
import os
from pathlib import Path

import pytest

from shared.settings import PREFIX, Settings, SettingsError, files, load_settings

SECRET = "made-up-secret-of-a-provider"


def given(monkeypatch: pytest.MonkeyPatch, **values: object) -> None:
    for name, value in values.items():
        monkeypatch.setenv(PREFIX + name, str(value))


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_file_is_the_value_less_one_end_of_a_line(end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, UBILL__API_KEY_FILE=written(tmp_path / "key", SECRET + "\n" + end))
    kept = load_settings().ubill.api_key.get_secret_value()
    assert kept == (SECRET + "\n" if end else SECRET)


def test_every_sort_of_setting_can_stand_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given(
        monkeypatch,
        SECRET_KEYS_FILE=written(tmp_path / "keys", json.dumps(["a", "b"])),
        HTTP__TOTAL_TIMEOUT_S_FILE=written(tmp_path / "limit", "7\n"),
        REPORT__FROM_FILE=written(tmp_path / "from", "books@example.com"),
        DATABASE_URL_FILE=written(tmp_path / "url", "postgresql://made-up@host/name"),
    )
    found = load_settings()
    assert [key.get_secret_value() for key in found.secret_keys] == ["a", "b"]
    assert (found.http.total_timeout_s, found.report.sender) == (7, "books@example.com")
    assert found.database_url is not None


def test_a_setting_whose_own_name_ends_so_is_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, UBILL__CALLBACK_CERT_FILE="/made/up.pem", UBILL__CALLBACK_CERT_KEY_FILE="/made/up.key")
    assert load_settings().ubill.callback_cert_file == Path("/made/up.pem")


def test_a_folder_has_a_file_for_each_as_docker_and_kubernetes_mount_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = tmp_path / "..2026_11_29"
    version.mkdir()
    (tmp_path / "..data").symlink_to(version.name)
    written(version / "SETTLEPIPE_MTN__API_KEY", SECRET + "\n")
    (tmp_path / "SETTLEPIPE_MTN__API_KEY").symlink_to("..data/SETTLEPIPE_MTN__API_KEY")
    written(tmp_path / "settlepipe_ubill__api_key", SECRET)
    written(tmp_path / "another_programs_password", SECRET)
    given(monkeypatch, SECRETS_DIR=tmp_path)
    found = load_settings()
    assert found.mtn.api_key is not None
    assert found.mtn.api_key.get_secret_value() == found.ubill.api_key.get_secret_value() == SECRET
    assert SECRET not in repr(found)


def mistakes(monkeypatch: pytest.MonkeyPatch, **values: object) -> list[str]:
    given(monkeypatch, **values)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert SECRET not in str(raised.value)
    assert raised.value.__cause__ is None
    first, *more = str(raised.value).splitlines()
    return more or [f"  {first.removeprefix('the environment has a mistake: ')}"]


def test_given_twice_is_a_mistake_however_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path / "key", SECRET)
    folder = tmp_path / "secrets"
    folder.mkdir()
    written(folder / "SETTLEPIPE_MTN__API_KEY", SECRET)
    written(folder / "settlepipe_mtn__api_key", SECRET)
    written(folder / "SETTLEPIPE_BILLCENTER__PASSWORD", SECRET)
    given(monkeypatch, UBILL__API_KEY=SECRET, UBILL__API_KEY_FILE=file, BILLCENTER__PASSWORD_FILE=file)
    assert mistakes(monkeypatch, SECRETS_DIR=folder) == [
        "  SETTLEPIPE_UBILL__API_KEY is given twice, by SETTLEPIPE_UBILL__API_KEY_FILE being one; keep one of them",
        "  SETTLEPIPE_BILLCENTER__PASSWORD is given twice, by a file in SETTLEPIPE_SECRETS_DIR being one;"
        " keep one of them",
        "  SETTLEPIPE_MTN__API_KEY is given twice, by a file in SETTLEPIPE_SECRETS_DIR being one; keep one of them",
    ]


def test_an_empty_variable_is_none_and_its_file_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, UBILL__API_KEY="", UBILL__API_KEY_FILE=written(tmp_path / "key", SECRET), MTN__API_KEY_FILE="")
    assert load_settings().ubill.api_key.get_secret_value() == SECRET


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\n", "the file is empty"),
        (b"", "the file is empty"),
        (SECRET.encode() + b"\0", "the file holds a NUL"),
        (SECRET.encode() + b"\xff", "the file holds no text in UTF-8"),
        (SECRET.encode() * 4000, f"the file holds more than {files.MAX_BYTES} bytes"),
    ],
)
def test_what_is_no_value_is_named_and_not_told(
    content: bytes, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (said,) = mistakes(monkeypatch, UBILL__API_KEY_FILE=written(tmp_path / "key", content))
    assert said == f"  SETTLEPIPE_UBILL__API_KEY, by SETTLEPIPE_UBILL__API_KEY_FILE, has no value: {says}"


def test_what_cannot_be_read_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    said = mistakes(monkeypatch, UBILL__API_KEY_FILE=tmp_path / "pipe", MTN__API_KEY_FILE=tmp_path / "nowhere")
    assert said == [
        "  SETTLEPIPE_MTN__API_KEY, by SETTLEPIPE_MTN__API_KEY_FILE, has no value:"
        " the file can't be read (FileNotFoundError)",
        "  SETTLEPIPE_UBILL__API_KEY, by SETTLEPIPE_UBILL__API_KEY_FILE, has no value: the file is no file",
    ]
    assert mistakes(monkeypatch, SECRETS_DIR=tmp_path / "nowhere")[-1] == (
        "  SETTLEPIPE_SECRETS_DIR can't be read (FileNotFoundError)"
    )


def test_names_that_are_none_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "settlepipe_made_up", SECRET)
    said = mistakes(monkeypatch, SECRETS_DIR=tmp_path, MADE_UP_FILE=tmp_path, HOME_FILE=tmp_path / "home")
    assert said == [
        "  SETTLEPIPE_MADE_UP_FILE is not a setting",
        "  SETTLEPIPE_HOME can't stand in a file; set it in the environment",
        "  SETTLEPIPE_MADE_UP, a file in SETTLEPIPE_SECRETS_DIR, is not a setting that can stand in a file",
    ]


def test_a_wrong_value_in_a_file_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = mistakes(
        monkeypatch,
        HTTP__TOTAL_TIMEOUT_S_FILE=written(tmp_path / "limit", SECRET),
        INTAKE__SOURCES_FILE=written(tmp_path / "sources", "{" + SECRET),
    )
    assert len(said) == 1


def test_what_is_given_in_python_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, LOG_LEVEL_FILE=written(tmp_path / "level", "ERROR"))
    assert (Settings(log_level="DEBUG").log_level, Settings().log_level) == ("DEBUG", "ERROR")

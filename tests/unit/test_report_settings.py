"""Settings of the nightly report."""

import pytest

from shared.settings import SettingsError, load_settings


def load(monkeypatch: pytest.MonkeyPatch, **given: str) -> object:
    for name, value in given.items():
        monkeypatch.setenv(f"SETTLEPIPE_REPORT__{name}", value)
    return load_settings()


MAIL = {"FROM": "Books <books@example.com>", "TO": "a@example.com, Bea <b@example.com>"}


def test_no_mail_is_sent_unless_a_server_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().report.smtp_url is None


@pytest.mark.parametrize(
    "url", ["smtp://u:p@mail.example.com", "smtps://mail.example.com:465", "smtp+plain://[::1]:25"]
)
def test_a_server_with_sender_and_recipients_is_taken(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    load(monkeypatch, SMTP_URL=url, **MAIL)
    found = load_settings().report
    assert found.sender == MAIL["FROM"]
    assert found.recipients == ["a@example.com", "b@example.com"]
    assert "mail.example.com" not in repr(found)


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"SMTP_URL": "http://mail.example.com", **MAIL}, "REPORT__SMTP_URL: .*must be like"),
        ({"SMTP_URL": "smtp://:587", **MAIL}, "REPORT__SMTP_URL: .*must be like"),
        ({"SMTP_URL": "smtp://mail.example.com:99999", **MAIL}, "REPORT__SMTP_URL: .*[Pp]ort"),
        ({"SMTP_URL": "smtp://mail.example.com"}, "from and to must be set"),
        ({"TO": "nobody"}, "REPORT__TO: .*mail addresses"),
        ({"FROM": "a@example.com\r\nBcc: b@example.com"}, "REPORT__FROM: .*mail addresses"),
        ({"SENDER": "a@example.com"}, "REPORT__SENDER is not a setting"),
        ({"KEEP_LINES_DAYS": "0"}, "REPORT__KEEP_LINES_DAYS"),
        ({"LANGUAGE": "de"}, "REPORT__LANGUAGE: .*must be one of en, mn"),
        ({"CSV_LOCALE": "klingon"}, "REPORT__CSV_LOCALE: .*must be a locale"),
    ],
)
def test_a_mistake_is_named_at_start(monkeypatch: pytest.MonkeyPatch, given: dict[str, str], wrong: str) -> None:
    with pytest.raises(SettingsError, match=wrong):
        load(monkeypatch, **given)


def test_a_password_in_a_wrong_url_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError) as caught:
        load(monkeypatch, SMTP_URL="ftp://user:made-up-password@mail.example.com", **MAIL)
    assert "made-up-password" not in str(caught.value)

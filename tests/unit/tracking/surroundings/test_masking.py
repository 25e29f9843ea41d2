"""Secrets do not get into records, and what only looks like one a little stays readable."""

from __future__ import annotations

import pytest

from swath.tracking.surroundings.masking import MASK, is_secret, masked, masked_arguments, without_credentials


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["--api-key=abc"], [f"--api-key={MASK}"]),
        (["--api_key", "abc", "--lr", "0.1"], ["--api_key", MASK, "--lr", "0.1"]),
        (["--token", "x"], ["--token", MASK]),
        (["--hf-token", "-dash"], ["--hf-token", MASK]),
        (["--use-token", "--lr", "1"], ["--use-token", "--lr", "1"]),
        (["password", "hunter2"], ["password", MASK]),
        (["password=hunter2"], [f"password={MASK}"]),
        (["db.password=a b c"], [f"db.password={MASK}"]),
        (["+trainer.apiKey=abc"], [f"+trainer.apiKey={MASK}"]),
        (["OPENAI_API_KEY=abc"], [f"OPENAI_API_KEY={MASK}"]),
        (["--password="], ["--password="]),
        (["--config={'token': 'x', 'lr': 1}"], [f"--config={{'token': {MASK}, 'lr': 1}}"]),
        (['{"api_key": "a b", "lr": 1}'], [f'{{"api_key": {MASK}, "lr": 1}}']),
        (["https://ann:pw@host/x?a=1"], [f"https://{MASK}@host/x?a=1"]),
        (["postgresql://ann:p@w@host/db"], [f"postgresql://{MASK}@host/db"]),
        (["https://host/x?access_token=abc&page=2"], [f"https://host/x?access_token={MASK}&page=2"]),
        (["--set=a=1,db.password=x,c=2"], [f"--set=a=1,db.password={MASK},c=2"]),
        (["--opts=token=abc"], [f"--opts=token={MASK}"]),
        (["a:b:secret:c"], [f"a:b:secret:{MASK}"]),
        (["ghp_0123456789abcdefghijABCDEFGHIJ"], [MASK]),
        (["--jwt=eyJhbGciOiJI.eyJzdWIiOiIx.SflKxw-_"], [f"--jwt={MASK}"]),
        (["--key=sk-abcdefghijklmnopqrstu"], [f"--key={MASK}"]),
        (["Authorization: Bearer abcdefghijkl"], [f"Authorization: {MASK} {MASK}"]),
        (["Authorization: token abcdefghijkl"], [f"Authorization: {MASK} {MASK}"]),
    ],
)
def test_secrets_in_arguments_are_masked(given: list[str], kept: list[str]) -> None:
    assert masked_arguments(given) == kept


@pytest.mark.parametrize(
    "argument",
    [
        "--lr=0.1",
        "--max-tokens=512",
        "--tokenizer=bert",
        "--token-dim=64",
        "--pad_token=<pad>",
        "--key-dim=64",
        "--author=ann",
        "--monkey=1",
        "--password-file=/run/x",
        "https://host/path",
        "user@host:path",
        "data:/a/b",
        "basic training",
        "--prompt=the token of my appreciation",
    ],
)
def test_other_arguments_stay_as_they_are(argument: str) -> None:
    assert masked_arguments([argument, "next"]) == [argument, "next"]


def test_a_name_is_a_secret_by_its_last_words() -> None:
    assert is_secret("--private-key")
    assert is_secret("awsSecretKey")
    assert not is_secret("--key")
    assert not is_secret("")


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://ann:pw@github.com/a/b.git", "https://github.com/a/b.git"),
        ("https://ghp_token@github.com/a/b.git", "https://github.com/a/b.git"),
        ("https://ann:p@ss@github.com:8443/a/b.git", "https://github.com:8443/a/b.git"),
        ("https://github.com/a/b.git", "https://github.com/a/b.git"),
        ("ssh://git:pw@host:22/a", "ssh://git@host:22/a"),
        ("git@github.com:a/b.git", "git@github.com:a/b.git"),
        ("/srv/repos/a.git", "/srv/repos/a.git"),
        ("https://host/a.git?private_token=x", f"https://host/a.git?private_token={MASK}"),
        ("https://h/a@b.git", "https://h/a@b.git"),
    ],
)
def test_an_address_of_a_repository_has_no_credentials(url: str, kept: str) -> None:
    assert without_credentials(url) == kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("postgresql://u:pa/ss@host/db", f"postgresql://{MASK}@host/db"),
        ("--url=amqp://guest:gu?e#st@rabbit:5672//", f"--url=amqp://{MASK}@rabbit:5672//"),
        ("http://localhost:8080/a@b", "http://localhost:8080/a@b"),
        ("http://[::1]:80/x@y", "http://[::1]:80/x@y"),
        ("https://x.net/c?sv=1&sig=ab%2Fcd%3D", f"https://x.net/c?sv=1&sig={MASK}"),
        (
            "https://s3/k?X-Amz-Credential=a/b&X-Amz-Signature=c&X-Amz-Expires=3",
            f"https://s3/k?X-Amz-Credential={MASK}&X-Amz-Signature={MASK}&X-Amz-Expires=3",
        ),
        ("--sig=0.3", "--sig=0.3"),
    ],
)
def test_passwords_of_any_letters_and_what_signs_an_address_are_masked(text: str, kept: str) -> None:
    assert masked(text) == kept


def test_masking_takes_time_in_proportion_to_the_text() -> None:
    """A quadratic pattern would take hours for these, and the test its timeout."""
    pieces = ("a", "a.", "token", "password=", "://", "://a:b", "@", "eyJ-", "sk-", " :", '"', "a=", "token=", "?sig=")
    for piece in pieces:
        masked(piece * (40_000 // len(piece)))
    masked("a" * 2_000_000)

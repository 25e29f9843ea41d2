"""Keeps passwords, tokens and keys out of recorded arguments and addresses; knows them by their names and forms."""

from __future__ import annotations

import re
from collections.abc import Sequence

MASK = "***"

_SECRET = frozenset(
    {"password", "passwd", "passwords", "pwd", "passphrase", "passcode", "pass", "secret", "secrets", "auth", "bearer"}
    | {"authorization", "credential", "credentials", "token", "apikey", "apitoken", "authtoken", "accesstoken"}
    | {"accesskey", "secretkey", "privatekey"}
)
#: What makes a secret of the "key" behind it; a "key" alone is as often a name of something.
_KEYS = frozenset(
    {"api", "access", "private", "secret", "auth", "encryption", "signing", "account", "license", "licence", "service"}
    | {"storage", "shared", "master", "wandb", "swath", "ssh", "openai", "anthropic", "aws", "azure", "hf"}
)
#: A "token" behind one of these is a piece of text, not a secret.
_TEXT_TOKENS = frozenset(
    {"pad", "eos", "bos", "unk", "mask", "sep", "cls", "start", "end", "stop", "special", "image", "audio", "video"}
    | {"prefix", "suffix", "per", "new"}
)

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
#: A name begins where a word begins and is never given back: else a long argument would take forever.
_NAME = re.compile(r"""(?<![\w.\-])([\w.\-]++)["']?\s*+[:=]\s*+""")
_VALUE = re.compile(r""""[^"]*"|'[^']*'|[^\s"',;&}\]]+""")
_USERINFO = re.compile(r"(?<=://)[^/?#\s@]*(?:@[^/?#\s@]*)*@")
#: Not every password in an address is written as addresses want it: behind `user:` what is no port, up to an `@`.
#: Its length is bounded, or a long argument would take forever.
_ODD_USERINFO = re.compile(r"(?<=://)(?!\[)[^/?#\s@:]{0,256}+:(?!\d+(?:[/?#\s]|$))[^\s@]{0,256}+@(?=[\w.\-\[])")
#: What signs an address lets everybody in who has it.
_SIGNATURE = re.compile(r"(?i)(?<=[?&;])((?:x-(?:amz|goog)-)?(?:signature|sig|credential|security-token)=)[^&#\s\"']+")
_AUTHORIZATION = re.compile(
    r"""(?i)\b(authorization\W{1,4}\w+(?=[ \t]+\S)|(?:bearer|basic)(?=[ \t]+\S{16}))[ \t]+[^\s"',;]+"""
)
_FORMS = re.compile(
    r"\b(?:sk-[\w\-]{16,}|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w\-]{16,}|hf_\w{20,}|xox[abprs]-[\w\-]{10,}"
    r"|AKIA[0-9A-Z]{16}|AIza[\w\-]{30,}|(?<![\w\-])eyJ[\w\-]{8,}+\.[\w\-]{8,}+\.[\w\-]*)"
)


def is_secret(name: str) -> bool:
    """Whether what goes by this name ("--api-key", "db.password", "HF_TOKEN") is to be kept to oneself."""
    words = [word.lower() for word in _WORD.findall(name)]
    if not words:
        return False
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last == "token":
        return before not in _TEXT_TOKENS
    return last in _SECRET or (last in ("key", "keys") and before in _KEYS)


def masked(text: str) -> str:
    """`text` with the secrets inside it masked: `password=x`, `{"token": "x"}`, `https://user:x@host`, `sk-...`."""
    text = _ODD_USERINFO.sub(f"{MASK}@", _USERINFO.sub(f"{MASK}@", text))
    text = _SIGNATURE.sub(rf"\1{MASK}", text)
    text = _AUTHORIZATION.sub(rf"\1 {MASK}", text)
    return _FORMS.sub(MASK, _without_named(text))


def _without_named(text: str) -> str:
    parts, at = [], 0
    for name in _NAME.finditer(text):
        if name.start() >= at and is_secret(name[1]) and (value := _VALUE.match(text, name.end())):
            parts += [text[at : name.end()], MASK]
            at = value.end()
    return "".join([*parts, text[at:]])


def masked_arguments(arguments: Sequence[str]) -> list[str]:
    """The arguments of a program, with secrets masked: inside one, and in the one behind a `--token`."""
    result, follows = [], False
    for argument in arguments:
        if follows and not argument.startswith("--"):
            result.append(MASK)
            follows = False
            continue
        name, equals, value = argument.partition("=")
        if equals and value and re.fullmatch(r"[-+~]*[\w.\-/@]+", name) and is_secret(name):
            result.append(f"{name}={MASK}")
        else:
            result.append(masked(argument))
        follows = not equals and re.fullmatch(r"[-+]*[\w.\-]+", argument) is not None and is_secret(argument)
    return result


def without_credentials(url: str) -> str:
    """The address of a repository without user and password; the user that ssh needs stays."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return masked(url)
    host, slash, path = rest.partition("/")
    user, at, host = host.rpartition("@")
    if at and scheme.endswith("ssh"):
        host = f"{user.partition(':')[0]}@{host}"
    return f"{scheme}://{host}{slash}{_FORMS.sub(MASK, _without_named(path))}"

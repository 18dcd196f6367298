"""What keys, tokens and passwords look like, and what only stands for one in an example."""

import re

_LEAST_SECRET = 6  # characters of a password
_LEAST_TOKEN = 8  # characters of another labelled secret
_LEAST_SIGNS = 7  # different characters of a token
_LEAST_KEY_SIGNS = 30  # different characters of a block with a private key
PLACEHOLDER = re.compile(
    r"^(?:x{3,}|[*.•_-]+|(?:my|the|a|new|old|db|test|some|user|admin|john|access|personal[_-]?access)?[_-]?"
    r"(?:password|passwd|pass|pwd|passphrase|secret|token|key|api[_-]?key|credentials?)s?[_-]?\d{0,3})$"
    r"|your|example|placeholder|change[_-]?me|change[_-]?this|dummy|sample|redacted|insecure|replace"
    r"|x{4}|\*{3}|\.{3}|…|^(?:none|null|true|false|undefined|string|str|required|optional)$|environ|getenv"
    r"|process\.env|^settings\.|^self\.|^config\.|^[$<{%&@(]|\$\{|\{\{|^env[.:]",
    re.IGNORECASE,
)


def is_counted_up(digits: str) -> bool:
    """Digits that someone typed for an example: 123456789, 11111111."""
    return digits in "01234567890123456789" or len(set(digits)) == 1


def _is_token(match: re.Match[str]) -> bool:
    value = match["value"]
    return not PLACEHOLDER.search(value) and len(set(value)) >= _LEAST_SIGNS and any(map(str.isdigit, value))


def _is_key_block(match: re.Match[str]) -> bool:
    return len(set(match["value"])) >= _LEAST_KEY_SIGNS


def _is_login(match: re.Match[str]) -> bool:
    user, _, password = match["value"].partition(":")
    return user != password and not PLACEHOLDER.search(password)


def _is_secret(match: re.Match[str]) -> bool:
    """A literal, not a name of one: letters with digits or signs, or a quoted password."""
    value = match["value"].rstrip(".,;:")
    if len(value) < _LEAST_SECRET or PLACEHOLDER.search(value) or match["after"] in ("(", "["):
        return False
    is_password = match["label"].lower().startswith("pass") or match["label"].lower() == "pwd"
    if value.isdigit() or value.isalpha():
        return is_password and not is_counted_up(value) and bool(match["quote"] or value.isdigit())
    if re.fullmatch(r"[A-Za-z]+_[A-Za-z_]*\d{1,3}", value):  # the name of a variable
        return False
    mixed = any(map(str.isdigit, value)) and any(map(str.isalpha, value))
    return mixed and (is_password or len(value) >= _LEAST_TOKEN)


_TOKENS = (
    r"(?:A[KS]IA[0-9A-Z]{16}|sk-[A-Za-z0-9_-]{20,200}|[rsp]k_(?:live|test)_[A-Za-z0-9]{16,200}"
    r"|gh[opusr]_[A-Za-z0-9]{30,255}|github_pat_\w{22,255}|glpat-[\w-]{20,100}|xox[abeoprs]-[A-Za-z0-9-]{10,250}"
    r"|xapp-[A-Za-z0-9-]{20,250}|AIza[\w-]{35}|npm_[A-Za-z0-9]{36}|hf_[A-Za-z0-9]{30,100}|pypi-[\w-]{50,250}"
    r"|SG\.[\w-]{16,40}\.[\w-]{30,60}|eyJ[\w-]{8,3000}\.eyJ[\w-]{8,6000}\.[\w-]{8,2000})"
)
_KEY_LINE = r"(?:\s|\\n){1,8}[A-Za-z0-9+/=]{24,100}"
_KEY_BLOCK = (
    r"(?P<value>-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?:\s{1,8}[A-Z][\w-]{1,30}: [^\n]{1,80}){0,4}"
    rf"(?:{_KEY_LINE}){{1,200}}+(?:(?:\s|\\n){{1,8}}[A-Za-z0-9+/=]{{1,24}}(?=(?:\s|\\n){{1,8}}-----END))?"
    r"(?:(?:\s|\\n){1,8}-----END [A-Z ]{0,30}PRIVATE KEY-----)?)"
)
_ASSIGNED = r"(?:[ \t]{0,3}(?:=>|:=|=|:)[ \t]{0,3}|[ \t]{1,3}(?:is|was)(?:[ \t]{0,3}:)?[ \t]{1,3})"
_LABELLED = (
    r"(?P<label>password|passwd|passphrase|passcode|pwd|secret|token|(?:api|access|secret|private|auth|account)"
    rf"[ _-]?key)[\"'`]?{_ASSIGNED}"
    r"(?P<quote>[\"'`]?)(?P<value>[^\s\"'`,;<>()\[\]{}]{4,200})(?P<after>[(\[]?)"
)
_BEARER = r"\bBearer {1,2}(?P<value>[A-Za-z0-9._~+/=-]{20,500})"
_LOGIN = r"://(?P<value>[^\s:/@\[\]<>\"'`]{0,64}:[^\s/@\[\]<>\"'`]{1,100})@[\w-]"

CREDENTIALS = (
    (re.compile(_KEY_BLOCK), _is_key_block),
    (re.compile(rf"(?<![\w-])(?P<value>{_TOKENS})(?![\w-])"), _is_token),
    (re.compile(_LOGIN), _is_login),
    (re.compile(_BEARER), _is_token),
    (re.compile(_LABELLED, re.IGNORECASE), _is_secret),
)
"""Patterns whose group ``value`` is a credential, each with a check of what it takes."""

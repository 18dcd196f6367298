"""What personal data looks like: a pattern for each kind, and a check of what the pattern takes.

Every repetition is bounded, so that time grows in proportion to the text. No pattern reaches across a
bracket, so none can take a marker.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from ingest.pairs.credentials import CREDENTIALS, PLACEHOLDER, is_counted_up


class PersonalKind(StrEnum):
    """What a piece of personal data is; the value stands in its marker, for instance ``[email]``."""

    EMAIL = "email"
    PHONE = "phone"
    ADDRESS = "address"
    CREDENTIAL = "credential"
    CARD = "card"
    ACCOUNT = "account"
    HOST = "ip"
    IDENTITY = "identity"
    NAME = "name"  # found by a model only: see ingest.pairs.named_entities


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to find one kind.

    Attributes:
        kind: What it finds.
        pattern: Its group ``value`` is what is replaced; the rest is context.
        is_real: Whether a match is what it looks like.
    """

    kind: PersonalKind
    pattern: re.Pattern[str]
    is_real: Callable[[re.Match[str]], bool] = bool


def _digits(match: re.Match[str]) -> str:
    return "".join(filter(str.isdigit, match["value"]))


# Addresses of mail and of hosts ----------------------------------------------------------------------

_LEAST_GROUPS = 3  # of an IPv6 address that are written out
_RESERVED = re.compile(
    r"(?:^|\.)(?:example(?:\.(?:com|org|net|edu))?|test|invalid|localhost|local)$"
    r"|^(?:(?:your?|my)-?(?:domain|site|company|server|org|host)|domain|company|test|foo|bar|[a-z])\.(?:com|org|net)$"
    r"|^lists?\.|^groups\.|^googlegroups\.com$|\.gserviceaccount\.com$"
)
_ROLES = re.compile(
    r"abuse|admin|billing|careers|contact|enquiries|events|feedback|git|hello|help|hostmaster|info|jobs|legal"
    r"|mail|marketing|media|news|newsletter|no-?reply|office|postmaster|press|privacy|root|sales|security"
    r"|service|staff|support|team|user|username|webmaster|www|you",
    re.IGNORECASE,
)
_MAILBOX = (
    r"(?<![\w.+%'/-])(?P<value>(?P<who>[\w.+%'-]{1,64})@(?P<domain>(?:[\w-]{1,63}\.){1,6}[^\W\d_]{2,24}))"
    r"(?![\w@(-])"
)
_DOT = r"(?: ?\(dot\) ?| dot |\.)"
_SPELT_MAILBOX = (
    rf"(?<![\w.+-])(?P<value>(?P<who>[\w.+-]{{1,64}})(?: ?\(at\) ?| at (?=[\w-]{{1,63}} (?:dot) ))"
    rf"(?P<domain>[\w-]{{1,63}}{_DOT}(?:[\w-]{{1,63}}{_DOT}){{0,2}}[a-z]{{2,6}}))(?![\w(-])"
)
_NAME_SERVER = re.compile(
    r"8\.8\.(?:8\.8|4\.4)|1\.[01]\.[01]\.1|9\.9\.9\.9|208\.67\.22[02]\.22[02]"
    r"|2001:4860:4860::88(?:88|44)|2606:4700:4700::1[01]{2}1"
)


def _is_mailbox(match: re.Match[str]) -> bool:
    domain = re.sub(_DOT, ".", match["domain"].lower())
    is_file = re.match(r"\d+x\.", domain) is not None  # picture@2x.png
    return not (
        is_file
        or _RESERVED.search(domain)
        or _ROLES.fullmatch(match["who"])
        or PLACEHOLDER.search(match["who"])
    )


def _is_host(match: re.Match[str]) -> bool:
    value = match["value"]
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return False
    is_network = match["length"] and value.endswith(".0")
    is_kept = match["version"] or is_network or _NAME_SERVER.fullmatch(value) or _is_sample_host(value)
    return address.is_global and not (address.is_multicast or is_kept)


def _is_sample_host(value: str) -> bool:
    """An address that someone typed for an example: 1.2.3.4, 55.66.77.88, 123.45.67.89, 200a::1."""
    if ":" in value:
        return len(list(filter(None, value.split(":")))) < _LEAST_GROUPS
    octets = [int(octet) for octet in value.split(".")]
    steps = {after - before for before, after in pairwise(octets)}
    return len(steps) == 1 or is_counted_up(value.replace(".", ""))


_VERSION = (
    r"(?P<version>(?i:\b(?:versions?|ver|v|release|build|firmware|driver|oid|chapter|ch|section|sec)"
    r"[ .:=]{0,3}v?|[=<>~!]= ?))?"
)
_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = (
    rf"{_VERSION}(?<![\d.])(?<![A-UW-Za-uw-z_-])(?P<value>{_OCTET}(?:\.{_OCTET}){{3}})(?![\w-]|\.\d)"
    r"(?P<length>/\d{1,2})?"
)
_IPV6 = (
    r"(?P<version>(?<![\w:.]))(?P<value>[23][0-9A-Fa-f]{3}:(?:[0-9A-Fa-f]{0,4}:){1,6}[0-9A-Fa-f]{1,4})"
    r"(?![\w:])(?P<length>/\d{1,3})?"
)

# Numbers of cards, accounts, persons and phones ------------------------------------------------------

_CARD_PREFIX = re.compile(
    r"(?:4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-59]|[68]\d)\d{11}(?:\d{2}){0,2}|35(?:2[89]|[3-8]\d)\d{12}|6(?:011|22\d|4[4-9]\d|5\d\d)\d{12}(?:\d{3})?)"
)
_IBAN_COUNTRIES = {  # by the length of the number after country and checksum
    11: "NO",
    12: "BE",
    14: "DK FI FO GL NL",
    15: "MK SI",
    16: "AT BA EE KZ LT LU XK",
    17: "CH HR LI LV",
    18: "BG BH CR DE GB GE IE ME RS VA",
    19: "AE GI IL IQ TL",
    20: "AD CZ ES MD PK RO SA SE SK TN VG",
    21: "PT",
    22: "IS TR",
    23: "FR GR IT MC MR SM",
    24: "AL AZ BY CY DO GT HU LB PL",
    25: "BR EG PS QA UA",
    26: "JO KW MU",
    27: "MT SC",
    28: "LC",
}
_IBAN = "|".join(
    rf"(?:{countries.replace(' ', '|')})\d{{2}}(?:[ -]?[A-Z0-9]){{{length}}}"
    for length, countries in _IBAN_COUNTRIES.items()
)


def _is_card(match: re.Match[str]) -> bool:
    digits = _digits(match)
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    checked = (doubled + sum(map(int, digits[-1::-2]))) % 10 == 0
    return checked and _CARD_PREFIX.fullmatch(digits) is not None and len(set(digits)) > 1


def _is_iban(match: re.Match[str]) -> bool:
    signs = re.sub(r"[ -]", "", match["value"])
    return int("".join(str(int(sign, 36)) for sign in signs[4:] + signs[:4])) % 97 == 1


def _is_routing(match: re.Match[str]) -> bool:
    weights = (3, 7, 1) * 3
    return sum(w * int(d) for w, d in zip(weights, _digits(match), strict=True)) % 10 == 0


def _is_number(match: re.Match[str]) -> bool:
    return not is_counted_up(_digits(match))


_CARD = r"\d{13,19}|\d{4}(?:[ -]\d{4}){3}(?:[ -]\d{3})?|\d{4}[ -]\d{6}[ -]\d{4,5}"
_IS = r"(?:[ \t]{0,2}(?:\b(?:is|was)\b|[:=#]))?[ \t:#]{0,3}[\"'`]?"
_NO = r"(?: (?:number|numbers|no\b\.?|nr\b\.?|num\b|id\b|code|#))?"
_ACCOUNT = (
    rf"(?i:\b(?:bank account|account|acct\.?|a/c|konto) (?:number|no\b\.?|nr\b\.?|num\b|#)){_IS}"
    r"(?P<value>\d(?:[ -]?\d){5,16})(?![\w-])"
)
_ROUTING = rf"(?i:\b(?:routing|aba|rtn)(?: transit)?{_NO}){_IS}(?P<value>\d{{9}})(?![\w-])"
_SORT_CODE = rf"(?i:\bsort[ -]code){_IS}(?P<value>\d\d[ -]?\d\d[ -]?\d\d)(?![\w-])"

_SSN = r"(?<![\w.+-])(?P<value>(?!000|666|9|078-05-1120|219-09-9999)\d{3}-(?!00)\d\d-(?!0000)\d{4})(?![\w-])"
_NINO = (
    r"(?<![A-Za-z0-9])(?P<value>(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]"
    r" ?\d\d ?\d\d ?\d\d ?[A-D])(?![A-Za-z0-9])"
)
_LABELLED_IDENTITY = (
    r"(?i:\b(?:passport|social (?:security|insurance)|ssn|national insurance|nino|national id(?:entity)?"
    r"|(?:tax(?:payer)?|vat) (?:id(?:entification)?|file|reference|payer)|itin|utr|identity card|id card"
    rf"|driver'?s? licen[cs]e|driving licen[cs]e|dni|personnummer|steuer-?id){_NO}){_NO}{_IS}"
    r"(?P<value>[A-Z]{0,3}\d(?:[ -]?[A-Z]?\d){5,13}[A-Z]?)(?![A-Za-z0-9])"
)


_LEAST_DIGITS = 7  # of a phone number
_LEAST_DIFFERENT = 3  # digits of a phone number
_FICTION = re.compile(r"55501\d\d$")


def _is_phone(match: re.Match[str]) -> bool:
    digits = _digits(match)
    if len(digits) < _LEAST_DIGITS or len(set(digits)) < _LEAST_DIFFERENT:
        return False
    return not (_FICTION.search(digits) or is_counted_up(digits))


_INTERNATIONAL = (
    r"(?<![\w+./=^*-])(?<!\d )(?P<value>(?:\+|00(?=[1-9]\d? \d))[1-9](?:[ .()/-]{0,3}\d){8,14})(?![\w-]|\.\d)"
)
_AMERICAN = (
    r"(?<![\w.+/=-])(?<!\d )(?P<value>(?:1[-. ])?(?:\([2-9]\d\d\)[ -]?|[2-9]\d\d[-.])[2-9]\d\d[-.]\d{4})"
    r"(?![\w-]|\.\d)"
)
_TRUNK = (
    r"(?<![\w.+/=:-])(?<!\d )(?P<value>\(?0[1-9]\d{0,3}\)?[ /-](?:\d{2}(?:[ .]\d{2}){3}|\d{3,6}[ -]?\d{3,5})"
    r"|0[1-9](?:[ .]\d{2}){4})(?![\w-]|[.:]\d)"
)
_LABELLED_PHONE = (
    r"(?i:\b(?:phone|telephone|tel|mobile|mob|cell|fax|landline|whatsapp|hotline"
    r"|(?:call|text|ring|phone|reach|dial|contact)(?:ed|ing)?(?: (?:me|us|him|her|them|back|on|at)){1,3})"
    rf"{_NO}\.?){_IS}(?P<value>\(?\d(?:[ ()/-]{{0,2}}\d){{6,14}})(?![\w-]|[.:]\d)"
)

# Places ----------------------------------------------------------------------------------------------

_PROPER = r"[^\W\d_a-z](?:[^\W\d_]|['-]){1,20}(?!\w)"
_CITY = rf"{_PROPER}(?: {_PROPER}){{0,2}}"
_POSTCODE = r"(?:[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|(?:[A-Z]{2} |[A-Z]{1,2}-)?\d{4,5}(?:-\d{4})?)\b(?!-\d)"
_TAIL = (
    r"(?:,? (?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|Room)\.? #?\w{1,5})?"
    rf"(?:,[ \n]{_CITY}){{0,2}}(?:,?[ \n]{_POSTCODE}(?: {_CITY})?)?"
)
_NUMBERED = r"(?<![\w.$#])(?P<value>\d{1,5}[A-Za-z]?(?:-\d{1,4})?,? "
_NAMED = r"(?:(?:[A-Z][\w'.-]{0,20}|\d{1,3}(?:st|nd|rd|th)) ){1,3}"
_WAY = (
    r"(?:Street|Avenue|Road|Boulevard|Lane|Terrace|Crescent|Parkway|Highway|St|Ave|Rd|Blvd|Ln|Pkwy|Hwy)\b\.?"
)
_RARER_WAY = (  # also other things, so a town must follow
    r"(?:Drive|Court|Square|Place|Way|Close|Row|Gardens|Grove|Mews|Quay|Circle|Dr|Ct|Sq|Pl)\b\.?"
    r"(?=,[ \n][A-Z])"
)
_PLAIN_WAY = r"(?!way)[a-z]{3,15} (?:street|avenue|boulevard)\b"
_STREET = rf"{_NUMBERED}(?:{_NAMED}(?:{_WAY}|{_RARER_WAY})|{_PLAIN_WAY}){_TAIL})"
_STREET_FIRST = (  # Lindenstraße 14, Via Roma 10
    r"(?<!\w)(?P<value>(?:[^\W\d_a-z][^\W\d_A-Z]{2,24}(?:stra(?:ß|ss)e|str\.|gasse|allee|platz|straat|laan)"
    rf"|(?:Via|Calle|Rua|Rue)(?: (?:de|del|della|la|da|do|du|des))? {_PROPER}(?: {_PROPER})?,?)"
    rf" \d{{1,4}}[a-z]?\b{_TAIL})"
)
_FRENCH_STREET = (
    r"(?<![\w.])(?P<value>\d{1,4}(?: bis| ter)?,? (?:rue|avenue|boulevard|place|chemin|impasse|allée|quai) "
    rf"(?:de la |de l'|de |du |des |la |le |d')?{_PROPER}(?:[ -]{_PROPER})?{_TAIL})"
)
_BOX = (
    rf"(?P<value>(?i:\bP\.? ?O\.? ?Box|\bPost Office Box|\bPostfach) #?\d{{1,6}}(?: \d{{2,3}}){{0,2}}{_TAIL})"
)

RULES = (
    *(Rule(PersonalKind.CREDENTIAL, pattern, is_real) for pattern, is_real in CREDENTIALS),
    Rule(PersonalKind.EMAIL, re.compile(_MAILBOX), _is_mailbox),
    Rule(PersonalKind.EMAIL, re.compile(_SPELT_MAILBOX, re.IGNORECASE), _is_mailbox),
    Rule(PersonalKind.ACCOUNT, re.compile(rf"(?<![A-Za-z0-9])(?P<value>{_IBAN})(?![A-Za-z0-9])"), _is_iban),
    Rule(PersonalKind.CARD, re.compile(rf"(?<![\w.,+-])(?P<value>{_CARD})(?![\w-]|\.\d)"), _is_card),
    Rule(PersonalKind.ACCOUNT, re.compile(_ROUTING), _is_routing),
    Rule(PersonalKind.ACCOUNT, re.compile(_ACCOUNT), _is_number),
    Rule(PersonalKind.ACCOUNT, re.compile(_SORT_CODE), _is_number),
    Rule(PersonalKind.IDENTITY, re.compile(_LABELLED_IDENTITY), _is_number),
    Rule(PersonalKind.IDENTITY, re.compile(_SSN), _is_number),
    Rule(PersonalKind.IDENTITY, re.compile(_NINO)),
    Rule(PersonalKind.HOST, re.compile(_IPV4), _is_host),
    Rule(PersonalKind.HOST, re.compile(_IPV6), _is_host),
    Rule(PersonalKind.ADDRESS, re.compile(_STREET)),
    Rule(PersonalKind.ADDRESS, re.compile(_STREET_FIRST)),
    Rule(PersonalKind.ADDRESS, re.compile(_FRENCH_STREET)),
    Rule(PersonalKind.ADDRESS, re.compile(_BOX)),
    Rule(PersonalKind.PHONE, re.compile(_LABELLED_PHONE), _is_phone),
    Rule(PersonalKind.PHONE, re.compile(_INTERNATIONAL), _is_phone),
    Rule(PersonalKind.PHONE, re.compile(_AMERICAN), _is_phone),
    Rule(PersonalKind.PHONE, re.compile(_TRUNK), _is_phone),
)
"""Every rule; where two take the same characters, the earlier one wins."""

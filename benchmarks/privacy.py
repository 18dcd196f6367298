"""Personal data: planted items that are found, and ordinary words of documentation taken by mistake.

    python -m benchmarks.privacy FOLDER

Prints Markdown for docs/benchmarks.md: for each kind the planted items that are gone (of five), and what
was replaced in the folder's documents, all of it, for a reader to judge. The planted items are made up:
published test numbers, numbers reserved for films, and numbers that merely satisfy their checksums.
"""

import argparse
from collections import Counter, defaultdict
from pathlib import Path

from ingest.errors import IngestError
from ingest.pairs.privacy import redact
from ingest.pairs.privacy_rules import PersonalKind
from ingest.parsing import parse

PLANTED: dict[PersonalKind, tuple[tuple[str, str], ...]] = {  # a sentence with {}, and what stands there
    PersonalKind.EMAIL: (
        ("Could someone write to {} once the patch is out?", "m.kellerwald@fastmail-haus.de"),
        ("My login is {}, it used to work until Friday.", "priya_r+forum@brightoak.co.uk"),
        ("From: Tom <{}>", "tom.okafor@northlight.io"),
        ("You can also reach me under {} on weekends", "j.lindqvist (at) polarmail (dot) se"),
        ("see mailto:{}?subject=help for the rest.", "o'rourke99@users.kilmore.ie"),
    ),
    PersonalKind.PHONE: (
        ("If it breaks again, ring {} and ask for the night shift.", "+44 20 7946 0123"),
        ("I'm in the office until five: {}.", "(212) 555-7346"),
        ("Meine Nummer ist {}, danke!", "030 23125-417"),
        ("call me at {} if the build fails", "5557346120"),
        ("Standard: {} (France).", "01 99 00 45 12"),
    ),
    PersonalKind.ADDRESS: (
        ("Please ship the replacement to {}, thanks.", "742 Larkspur Avenue, Dunmore, PA 18512"),
        ("The router stands at {} in the cellar.", "Lindenstraße 14, 10969 Berlin"),
        ("Send the invoice to {} instead.", "P.O. Box 4471, Fargo, ND 58102"),
        ("We moved to {} last month.", "27b Harbour Road, Whitby YO21 3PU"),
        ("Nos bureaux: {}.", "12 rue des Tilleuls, 69003 Lyon"),
    ),
    PersonalKind.CREDENTIAL: (
        ("It works with password: {} but not with the new one.", "hunter2"),
        ('I have set api_key = "{}" in the config file.', "q9ZtR4vXw81LmPb7"),
        (
            "The log says Authorization: Bearer {}",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0NzExIn0.dBjftJeZ4CVPmB92K27uhbUJU1p1r",
        ),
        ("git clone https://{}@git.kilmore.ie/tools.git fails", "deploy:Tr0ub4dor3"),
        ("Our key is {}, did I leak it?", "AKIA" + "Q4ZB7RNV2WDK6LMX"),
    ),
    PersonalKind.CARD: (
        ("I paid with {} and was charged twice.", "4111 1111 1111 1111"),
        ("The form refuses {} as too short.", "378282246310005"),
        ("card no. {}, valid until 09/27", "5555-5555-5555-4444"),
        ("Here {} goes through, mine does not.", "6011000990139424"),
        ("He typed {} by mistake.", "3530 1113 3330 0000"),
    ),
    PersonalKind.ACCOUNT: (
        ("Refund it to {} please.", "DE89 3704 0044 0532 0130 00"),
        ("My IBAN: {} (in one piece)", "GB29NWBK60161331926819"),
        ("The routing number is {}, is that right?", "021000021"),
        ("I wired it to account number {} on Monday.", "40817 3920 55"),
        ("sort code {}, as on the cheque", "20-45-77"),
    ),
    PersonalKind.HOST: (
        ("My server {} answers to ping but not to ssh.", "93.184.215.14"),
        ("Failed password for root from {} port 4711 ssh2", "185.220.101.47"),
        ("curl http://{}:8080/health hangs", "51.15.204.9"),
        ("It listens on {} only.", "2a01:4f8:c17:b8f::2"),
        ("ssh admin@{} says connection refused", "203.14.77.201"),
    ),
    PersonalKind.IDENTITY: (
        ("They asked for my SSN, {}, on the phone.", "536-28-4719"),
        ("NI number {} is refused by the form", "AB 31 72 06 C"),
        ("passport no. {}, issued in 2019", "C4J8612K5"),
        ("My tax id: {}", "47 036 892 816"),
        ("driver's license number is {}", "S530-4609-8210"),
    ),
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, help="documents in which there is no personal data")
    folder: Path = parser.parse_args().folder
    documents, taken = _taken_in(folder)
    print(f"{documents} documents, {sum(map(len, taken.values()))} finds\n")
    print("| kind | planted, gone | taken in the documents | for 1,000 documents |\n|---|---|---|---|")
    for kind, items in PLANTED.items():
        gone = sum(is_gone(kind, sentence, item) for sentence, item in items)
        finds = len(taken.get(kind, []))
        share = 1000 * finds / max(documents, 1)
        print(f"| {kind} | {gone} of {len(items)} | {finds} | {share:.1f} |")
    for kind, values in sorted(taken.items()):
        print(f"\n{kind}: " + ", ".join(f"`{value}` {n}x" for value, n in Counter(values).most_common()))


def is_gone(kind: PersonalKind, sentence: str, item: str) -> bool:
    """Whether the marker of its kind stands for all of a planted item, and for nothing else."""
    return redact(sentence.format(item)).text == sentence.format(f"[{kind}]")


def _taken_in(folder: Path) -> tuple[int, dict[PersonalKind, list[str]]]:
    """How many documents could be read, and what was replaced in them."""
    documents = 0
    taken: dict[PersonalKind, list[str]] = defaultdict(list)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            text = parse(path.read_bytes(), name=path.name).text
        except IngestError:
            continue  # pictures and the like
        documents += 1
        for item in redact(text).found:
            taken[item.kind].append(text[item.start : item.end])
    return documents, taken


if __name__ == "__main__":
    main()

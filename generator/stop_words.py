"""Words that say nothing about a subject, in prose and in code, and numbers written as words."""

import keyword

STOP_WORDS = frozenset(
    """
    a about above after again all also although always am an and another any are as at be because been
    before being below between both but by can cannot could did do does doing done don down during each
    either else etc even ever every few for from further get gets got had has have having he hence her here
    hers him his how however i if in indeed instead into is it its itself just let like likely many may me
    might mine more most much must my neither never no none nor not nothing now of off often on once one
    only onto or other others otherwise our ours out over own per perhaps please quite rather same shall she
    should since so some such than that the their theirs them themselves then there therefore these they
    this those though through thus to too toward under until up upon us very via was we well were what
    whatever when where whereas whether which while who whom whose why will with within without would yes
    yet you your yours yourself s t d ll re ve m
    allow allows called certain e.g. i.e. example following follow follows given include includes including
    mean means namely need needs particular refer refers respectively several simply specific step steps
    thing things used use uses using various way ways first second finally next
    answer document documents evidence passage passages question
    """.split()  # noqa: SIM905 (a list of 250 literals cannot be read)
)

# "one" is a pronoun more often than a number.
NUMBER_WORDS = {
    "zero": "0",
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
    "ten": "10",
    "eleven": "11",
    "twelve": "12",
}

_BUILT_INS = """
    self cls print len str int float bool list dict set tuple range super args kwargs true false null
    """
CODE_STOP_WORDS = frozenset((*keyword.kwlist, *_BUILT_INS.split()))

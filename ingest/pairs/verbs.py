"""Verbs of technical headings and descriptions: "Installing" is "install", "Returns" is a verb, too."""

_VERBS = """
abort accept access activate adapt add adjust aggregate alias allocate allow alter analyze annotate
append apply approve assemble assert assign associate attach authenticate authorize automate avoid
backup benchmark bind block boost branch break bring browse build bundle bypass cache calculate call
cancel capture cast catch chain change check checkpoint choose clean clear clone close code collect
combine commit compare compile complete compose compress compute configure connect consume
contribute control convert copy create customize deactivate debug declare decode decorate decrease
define delay delegate delete deploy deprecate derive describe deserialize design designate destroy
detach detect determine develop diagnose disable discard disconnect discover display dispatch
distribute divide document download drop dump duplicate edit embed emit empty enable encode encrypt
enforce ensure enter escape establish estimate evaluate examine exclude execute expand expire
explore export expose extend extract fetch filter find finish fix flatten flush force forget format
generate grant group handle hide hook host identify ignore implement import improve include increase
index inherit initialize inject insert inspect install instantiate instrument integrate interact
internationalize introduce invalidate invoke iterate join keep launch limit link list load localize
locate lock log loop mail maintain make manage manipulate map mark match measure merge migrate
minimize mix mock modify monitor mount move name navigate negotiate normalize notify obtain open
optimize order organize output overload overlay override overwrite pack package paginate parallelize
parse partition pass patch pause perform pin place plot populate post prefetch prepare preprocess
preserve prevent print process profile prohibit protect prove provide provision publish pull push
put query queue quit raise read rebuild receive record recover redirect reduce refactor refer
refresh register reload remove rename render reopen reorder replace replay replicate report
represent reproduce request require reset resize resolve respond restart restore restrict resume
retrieve retry return reuse reverse revert revoke rewrite roll rotate round route run save scale
schedule search secure select send separate serialize serve set share ship show shuffle shut sign
simplify simulate skip slice sort specify split stack start stop store stream style subclass submit
subscribe suppress switch synchronize tag test tie toggle track train transfer transform translate
trigger troubleshoot truncate try tune turn uninstall unregister update upgrade upload use validate
verify view visualize wait warm watch work wrap write
"""
_ONLY_VERBS = """
access activate adapt add adjust allow analyze apply assign attach authenticate avoid choose clone
collect combine compare compile configure connect convert create customize deactivate declare define
delete deploy destroy detect determine develop disable discover enable encrypt ensure execute
explore export expose extend extract fetch find fix generate grant handle identify implement import
improve include increase inherit initialize insert inspect install instantiate integrate invoke
launch localize make manage merge migrate modify monitor obtain open optimize organize override
perform prepare preprocess prevent protect publish read reduce refactor register remove rename
replace restore restrict retrieve reuse run save select send serialize serve specify submit subclass
synchronize train transform troubleshoot uninstall upgrade upload validate verify visualize write
"""
_DESCRIBING = """
act apply be become behave come contain correspond create default deal denote depend die equal exist
fail follow form go happen have hold indicate lead let live look mean morph need occur operate own
point produce prompt refer relate remain represent see seem serve signal stand suggest support take
tell trim use want zoom
"""
_DOUBLING = """
begin cut drop embed forget get log map pin plan plot plug put quit refer run scan set ship shut skip
slip split stop strip submit swap tag trim unplug wrap zip permit omit debug
"""
_DOUBLED = frozenset(_DOUBLING.split())


def _gerund(verb: str) -> str:
    if verb.endswith("ie"):
        return f"{verb[:-2]}ying"
    if verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")):
        return f"{verb[:-1]}ing"
    return f"{verb}{verb[-1]}ing" if verb in _DOUBLED else f"{verb}ing"


def _third_person(verb: str) -> str:
    if verb.endswith(("s", "x", "z", "ch", "sh", "o")):
        return f"{verb}es"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return f"{verb[:-1]}ies"
    return "has" if verb == "have" else "is" if verb == "be" else f"{verb}s"


_GERUNDS = {_gerund(verb): verb for verb in _VERBS.split()}
_THIRD_PERSONS = frozenset(_third_person(verb) for verb in (_VERBS + _DESCRIBING).split()) | {"does"}
_BASES = frozenset((_VERBS + _DESCRIBING).split())
_CLEAR_BASES = frozenset(_ONLY_VERBS.split())


def from_gerund(word: str) -> str:
    """The verb of "installing", "Installing": "install"; empty where the word is not a known gerund."""
    return _GERUNDS.get(word.lower(), "")


def is_third_person(word: str) -> bool:
    """Whether a word can be a verb like "Returns"; "Settings" can not, "Filters" can be both."""
    return word.lower() in _THIRD_PERSONS


def is_base(word: str) -> bool:
    """Whether a word can be a verb as it stands in a command, "Install"; "Test" can be a noun, too."""
    return word.lower() in _BASES


def is_only_base(word: str) -> bool:
    """Whether a word in front of a heading can be nothing but a verb in its command form."""
    return word.lower() in _CLEAR_BASES

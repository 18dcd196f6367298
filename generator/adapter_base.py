"""Which model an adapter belongs to, as its folder records it. Light: nothing here loads torch."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from generator.errors import ModelFolderInvalid

BASE = "base.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterBase:
    """The model that an adapter belongs to.

    Attributes:
        reference: How settings name it.
        fingerprint: Of its weights; an adapter on other weights writes nonsense.
    """

    reference: str
    fingerprint: str

    def write(self, folder: Path) -> None:
        """Record it in the adapter's folder."""
        (folder / BASE).write_text(json.dumps(asdict(self), indent=2, sort_keys=True))


def read_base(folder: Path) -> AdapterBase | None:
    """The model that a folder's adapter belongs to, or None where the folder holds a whole model.

    Raises:
        ModelFolderInvalid: If the record is broken.
    """
    path = folder / BASE
    if not path.is_file():
        return None
    try:
        return AdapterBase(**json.loads(path.read_text()))
    except (TypeError, ValueError) as error:
        raise ModelFolderInvalid(folder=folder, reason=f"{BASE} is broken: {error}") from error

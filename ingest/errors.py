"""Why a file was not taken in. Every message says what is wrong and what to do."""


class IngestError(Exception):
    """A file can't become a document. The other files of the same run are not affected.

    Attributes:
        reason: A stable short word for programs, for instance ``empty_file``.
    """

    reason = "unreadable"


class EmptyFile(IngestError):
    """The file holds no bytes, or nothing but white space."""

    reason = "empty_file"


class UnsupportedType(IngestError):
    """Nothing here reads this type of file."""

    reason = "unsupported_type"


class ScannedDocument(IngestError):
    """A PDF whose pages are pictures: there is no text to read, and OCR is not on."""

    reason = "scanned"


class EncryptedDocument(IngestError):
    """The file asks for a password."""

    reason = "encrypted"


class DamagedFile(IngestError):
    """The file is cut short or does not follow its own format."""

    reason = "damaged"


class UnpacksTooLarge(IngestError):
    """A small file that unpacks to far more than a document holds (a zip bomb, or close to one)."""

    reason = "unpacks_too_large"


class UndecodableText(IngestError):
    """The bytes are not text in any encoding that can be recognised."""

    reason = "undecodable_text"

import codecs

import pytest

from ingest.decoding import decode_text
from ingest.errors import UndecodableText

FRENCH = "Le café est fermé à Noël. « Déjà vu », dit-elle, où êtes-vous ? Très bien, merci."
ENGLISH = (
    "The client\u2019s “quoted” text \u2013 with dashes \u2013 costs €50. It is otherwise plain English text."
)
RUSSIAN = "Документация описывает установку и настройку сервера. Пользователь может изменить параметры."
JAPANESE = "これは日本語の文書です。設定ファイルを編集してください。サーバーを再起動します。" * 3
CHINESE = "这是一个中文文档。请编辑配置文件然后重新启动服务器。" * 3


@pytest.mark.parametrize("text", [FRENCH, ENGLISH, RUSSIAN, JAPANESE, "plain ASCII", "emoji 😀"])
@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_unicode_is_decoded(text: str, mark: bytes, encoding: str) -> None:
    assert decode_text(mark + text.encode(encoding)) == text


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_told_by_its_zero_bytes(encoding: str) -> None:
    assert decode_text(FRENCH.encode(encoding)) == FRENCH


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (FRENCH, "cp1252"),
        (ENGLISH, "cp1252"),
        ("A naïve plan is simple and it works for everyone in the office.", "latin-1"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8_r"),
        (JAPANESE, "cp932"),
        (JAPANESE, "euc_jp"),
        (CHINESE, "gb18030"),
    ],
)
def test_legacy_encodings_are_recognised(text: str, encoding: str) -> None:
    assert decode_text(text.encode(encoding)) == text


def test_a_declared_encoding_is_believed() -> None:
    page = '<html><head><meta charset="iso-8859-2"></head><body>Příliš žluťoučký kůň</body></html>'
    assert decode_text(page.encode("iso-8859-2")) == page
    other = '<meta http-equiv="Content-Type" content="text/html; charset=windows-1251"><p>Да</p>'
    assert decode_text(other.encode("cp1251")) == other


def test_an_encoding_that_is_declared_wrongly_is_passed_over() -> None:
    page = f'<meta charset="no-such-thing"><p>{FRENCH}</p>'
    assert decode_text(page.encode("cp1252")) == page
    assert decode_text(b'<meta charset="utf-16"><p>caf\xc3\xa9</p>').endswith("café</p>")


def test_line_breaks_and_invisible_characters_are_cleaned() -> None:
    assert decode_text("a\r\nb\rc\u2028d\u200be\x00f".encode()) == "a\nb\nc\ndef"


def test_damaged_utf_8_names_the_byte() -> None:
    data = "Größe, Länge, Höhe: ".encode() + b"\xff" + b" und mehr"
    with pytest.raises(UndecodableText, match=r"byte 24 is not UTF-8.*save the file as UTF-8"):
        decode_text(data)


def test_cut_utf_16_names_the_byte() -> None:
    with pytest.raises(UndecodableText, match="byte 8 is not UTF-16-LE"):
        decode_text(codecs.BOM_UTF16_LE + "abc".encode("utf-16-le") + b"\x00")


def test_bytes_of_no_encoding_are_refused() -> None:
    data = bytes(128 + (position * 89 + position // 7 * 31) % 128 for position in range(2000))
    with pytest.raises(UndecodableText, match="byte 0 is not UTF-8"):
        decode_text(data)

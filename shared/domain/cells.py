"""Cells of CSV files: text from outside that no spreadsheet runs as a formula. Pure; PostgreSQL's way stands beside it.

One rule, told by two lists of characters: a cell that begins with one of RUNS, blanks and unseen characters in front of
it aside, gets an apostrophe.
"""

from dataclasses import dataclass

BYTE_ORDER_MARK = "\ufeff"  # without it the usual spreadsheet reads UTF-8 as something else

# Run as a formula by some spreadsheet, the wide and small ones by those of East Asia; a tab or a line's end moves what
# follows into a cell of its own; an apostrophe would be taken for ours and vanish.
RUNS = "=+-@|\t\r\n'" + "\uff1d\uff0b\uff0d\uff20\uff5c" + "\ufe66\ufe62\ufe63\ufe6b" + "\u2212"
# Control and format characters and blanks: dropped by some spreadsheet, or by whoever copies the cell, before it looks
# for a formula. Written out, so that both ways and every version of Unicode have the same.
SKIPPED = "".join(
    chr(code)
    for first, last in (
        *((0x1, 0x8), (0xB, 0xC), (0xE, 0x20), (0x7F, 0xA0), (0xAD, 0xAD), (0x600, 0x605), (0x61C, 0x61C)),
        *((0x6DD, 0x6DD), (0x70F, 0x70F), (0x890, 0x891), (0x8E2, 0x8E2), (0x1680, 0x1680), (0x180E, 0x180E)),
        *((0x2000, 0x200F), (0x2028, 0x202F), (0x205F, 0x206F), (0x3000, 0x3000), (0xFEFF, 0xFEFF)),
        *((0xFFF9, 0xFFFB), (0x110BD, 0x110BD), (0x110CD, 0x110CD), (0x13430, 0x1343F), (0x1BCA0, 0x1BCA3)),
        *((0x1D173, 0x1D17A), (0xE0001, 0xE0001), (0xE0020, 0xE007F)),
    )
    for code in range(first, last + 1)
)


@dataclass(frozen=True, slots=True)
class Form:
    """The decimal mark, and what stands between cells; as it is, that of files for programs."""

    decimal: str = "."
    separator: str = ","


def harmless(value: object) -> object:
    """This value as a cell that no spreadsheet runs. What is no text stays as it is."""
    if not isinstance(value, str):
        return value
    first = value.lstrip(SKIPPED)[:1]
    return f"'{value}" if first and first in RUNS else value


def harmless_sql(text: str) -> str:
    """The same as an SQL expression over the expression `text`. Most cells begin with a letter or digit: quick."""
    first = f"left(ltrim({text}, {_literal(SKIPPED)}), 1)"
    plain = " OR ".join(f"ascii({text}) BETWEEN {low} AND {high}" for low, high in ((48, 57), (65, 90), (97, 123)))
    return (
        f"CASE WHEN {plain} THEN {text} WHEN {first} <> '' AND strpos({_literal(RUNS)}, {first}) > 0"
        f" THEN '''' || {text} ELSE {text} END"
    )


def _literal(characters: str) -> str:
    return "E'" + "".join(f"\\U{ord(one):08x}" for one in characters) + "'"

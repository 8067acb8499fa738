"""Writes unicode_tables.inc: what the split patterns and the NFC normalizer of the `tokenizers` package know of Unicode.

The reference's regex engine is of a later Unicode version than the distribution's PCRE2, and its normalizer of an
earlier one than either; ids must not depend on that. So general categories of code points that Unicode 14 does not
have, and everything of NFC, are asked of the reference itself: python3 tokenizer/make_unicode_tables.py
(tokenizers==0.23.3, Python 3.11).
"""

import pathlib
import unicodedata

from tokenizers import Regex, normalizers, pre_tokenizers

CATEGORIES = ["Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po",
              "Sm", "Sc", "Sk", "So", "Han"]
POINTS = [point for point in range(0x110000) if not 0xD800 <= point < 0xE000]
HANGUL = range(0xAC00, 0xAC00 + 11172)
NFC, NFD = normalizers.NFC().normalize_str, normalizers.NFD().normalize_str


def members(name):
    """Code points of \\p{name} in the reference."""
    split = pre_tokenizers.Split(Regex(rf"\p{{{name}}}"), "removed", invert=True)
    return {ord(c) for piece, _ in split.pre_tokenize_str("".join(map(chr, POINTS))) for c in piece}


def runs(points):
    """Sorted code points as [first, last] pairs."""
    result = []
    for point in sorted(points):
        if result and result[-1][1] == point - 1:
            result[-1][1] = point
        else:
            result.append([point, point])
    return result


def additions():
    """Code points without an assignment in Unicode 14 that the reference has in a category or script."""
    unassigned = {point for point in POINTS if unicodedata.category(chr(point)) == "Cn"}
    rows = []
    for name in CATEGORIES:
        rows += [f'    {{"{name}", 0x{first:x}, 0x{last:x}}},' for first, last in runs(members(name) & unassigned)]
    return rows


def combining_class(point):
    """0 where the reference does not know the mark: it does not reorder what it does not know."""
    value = unicodedata.combining(chr(point))
    other, order = ("\u0334", 1) if value > 1 else ("\u0315", 232)
    if value == 0 or order == value:
        return value
    pair = chr(point) + other
    return value if (NFD("a" + pair) == "a" + pair) == (value <= order) else 0


def classes():
    rows, last = [], None
    for point in POINTS:
        value = combining_class(point)
        if value and last and last[1] == point - 1 and last[2] == value:
            last[1] = point
        elif value:
            last = [point, point, value]
            rows.append(last)
    return [f"    {{0x{first:x}, 0x{end:x}, {value}}}," for first, end, value in rows]


def decompositions():
    """{code, first, second or 0, whether the pair composes again}."""
    rows = []
    for point in POINTS:
        c = chr(point)
        fields = unicodedata.decomposition(c).split()
        if point in HANGUL or not fields or fields[0].startswith("<") or NFD(c) == c:
            continue
        first, second = (int(field, 16) for field in (fields + ["0"])[:2])
        composes = second != 0 and NFC(chr(first) + chr(second)) == c
        rows.append(f"    {{0x{point:x}, 0x{first:x}, 0x{second:x}, {str(composes).lower()}}},")
    return rows


def main():
    text = "// Written by make_unicode_tables.py.\n// clang-format off\n"
    for declaration, rows in [("CategoryRange kAdditions[]", additions()), ("ClassRange kClasses[]", classes()),
                              ("Decomposition kDecompositions[]", decompositions())]:
        text += f"constexpr {declaration} = {{\n" + "\n".join(rows) + "\n};\n"
    (pathlib.Path(__file__).parent / "unicode_tables.inc").write_text(text + "// clang-format on\n")


if __name__ == "__main__":
    main()

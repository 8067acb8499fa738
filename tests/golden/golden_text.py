"""Text to train tiny tokenizers on, and nasty strings to try them with."""

from __future__ import annotations

import random
from pathlib import Path

CORPUS = """
The quick brown fox doesn't jump over the lazy dog; it's asleep, and they'll wake it at 10:45. I've said so, you're late!
A tokenizer cuts text into pieces: words, parts of words, numbers such as 3, 14, 159, 2653 and 58979, and signs -- many.
WE'LL SEE WHAT THEY'D DO IF I'M RIGHT. HTTPServer, camelCaseWords, snake_case_names and kebab-case-names occur in code.
    for (int i = 0; i < 10; ++i) { total += values[i] * weights[i]; }  // sums\n\treturn total;\n\n\n
def greet(name):\n    print(f"hello, {name}!")\n\n\nif __name__ == "__main__":\n    greet("world")\n
Der Fluß fließt über die Brücke, größer als früher; schöne Grüße aus Köln und Zürich. Ärger, Öl, Übung, straße, Maß.
L'été dernier, le garçon naïf a mangé des crêpes près de la forêt; où est l'hôtel? Ça coûte 12,50 euros, déjà payé.
El niño comió jamón en el jardín mañana, ¿verdad? ¡Sí, señor! Über allen Gipfeln ist Ruh. Não há maçã no coração.
Быстрая лиса прыгает через ленивую собаку, а река течёт к морю. Сегодня хорошая погода, и мы идём гулять в парк.
Η γρήγορη αλεπού πηδά πάνω από το τεμπέλικο σκυλί. Καλημέρα κόσμε, πώς είσαι σήμερα; Όλα καλά, ευχαριστώ πολύ.
今天天气很好，我们去公园散步。语音和图像都可以变成离散的符号。机器学习模型把文字切成小块，然后预测下一个。
今日は天気がいいので、公園を散歩します。トークナイザーは文章を小さな単位に分けます。東京タワーの高さは333メートルです。
오늘은 날씨가 좋아서 공원에서 산책을 합니다. 말과 그림을 하나의 어휘로 나타냅니다. 서울의 봄은 아름답습니다.
الثعلب البني السريع يقفز فوق الكلب الكسول. مرحبا بالعالم، كيف حالك اليوم؟ السَّلَامُ عَلَيْكُمْ. العدد ١٢٣٤٥.
השועל החום המהיר קופץ מעל הכלב העצלן. שלום עולם, מה שלומך היום? הכל בסדר, תודה רבה. בְּרֵאשִׁית בָּרָא.
तेज़ भूरी लोमड़ी आलसी कुत्ते के ऊपर कूदती है। नमस्ते दुनिया, आप कैसे हैं? संख्या १२३४५ है।
สุนัขจิ้งจอกสีน้ำตาลกระโดดข้ามสุนัขขี้เกียจ สวัสดีชาวโลก วันนี้อากาศดีมาก ราคา ๑๒๓ บาท
Tiếng Việt có nhiều dấu: một con cáo nâu nhanh nhẹn nhảy qua con chó lười biếng. Việt Nam đẹp lắm.
😀 👍🏽 👨‍👩‍👧‍👦 🏳️‍🌈 ❤️ 🇫🇷🇯🇵 ✅ → ← ∑ ∫ √ ≤ ≥ € £ ¥ ₹ © ® ™ … – — “quoted” ‘single’ «guillemets» № ½ ² ³ Ⅷ
"""

NASTY = [
    " ", "  ", "   ", "\n", "\n\n", "\r\n", " \n", "\n ", "\t", "\t\t x", "a", " a", "  a", "a ", "a  ", "a\n", "a \n b",
    "a\r\n\r\nb", "a\n\n\nb", " \n \n a", "x  y   z    w", "\u00a0", "a\u00a0b", "\u3000全角\u3000", "\u2003em\u2003quad",
    "\u200bzero\u200bwidth", "\u2028line\u2029paragraph", "\u0085next", "a\u0085b", "\u180emongolian\u180e", "\u1680ogham", "\ufeffbom",
    "\x00", "a\x00b", "\x01\x02\x1f\x7f", "\u001c\u001d", "\x0b\x0c", "\u2060x\u2060",
    "I'll I'LL i'lL we've WE'VE y'all don't DON'T 'tis it's IT'S 's's'S", "'\u017f it'\u017f \u212aelvin '\u212a",
    "123456789", "1", "12", "1234", "1,234.56", "0x1F", "1e-9", "12ab34", "٣٤٥٦٧", "१२३४", "x²³", "½ ¾ Ⅷ ①②③", "３４５６",
    "1234567890123456789012345678901234567890", "007", "3.14159", "v1.2.3-rc4", "2026-11-22T10:42:13Z",
    "e\u0301", "\u00e9", "e\u0301\u0300", "e\u0300\u0323", "e\u0323\u0300", "a\u0315\u0300\u05ae\u0062", "\u1e9b\u0323",
    "\u0344", "\u212b", "\u2126", "\u0958", "\u09cb", "\u09c7\u09be", "\u1100\u1161\u11a8", "\uac00\u11a8", "\u1100\u1161",
    "\u11a8", "\uac01\u11a8", "q\u0307\u0323", "\u0301", "\u0301a", " \u0301", "\u0300\u0301\u0302", "\ufb1f", "\u2adc",
    "\u0f73\u0f74", "o\u0328\u0304", "ệ ệ e\u0302\u0323", "\u304b\u3099", "\u3099", "\U0001d15e", "\U00011935\U00011930",
    "Z\u0351\u036b\u0343a\u0321l\u0334g\u0322o\u0338", "\u0061\u0328\u0301\u0061\u0301\u0328",
    "👨‍👩‍👧‍👦", "👍🏽👍🏿", "🏳️‍🌈", "🇫🇷🇯🇵🇩", "❤️❤", "1️⃣", "😀😀😀", "a😀b", "🧑🏽‍🚀 in space", "\U0001fae8\U0001fae9", "🫠",
    "今天天气很好", "东京tower東京", "，。！？", "漢字kanji漢字", "ひらがなカタカナ", "한국어 텍스트", "ㄱㄴㄷ", "𠀀𠀁", "々〆〇", "\U00031350\U00031351",
    "\U000323b0", "豈更車", "中文，english。混合", "１２３ＡＢＣ", "ｶﾀｶﾅ",
    "مرحبا بالعالم", "السَّلَامُ", "لا إله", "ـــ", "שָׁלוֹם", "नमस्ते", "क्षत्रिय", "สวัสดี", "ກຂ", "ქართული", "Ελληνικά", "ὈΔΥΣΣΕΎΣ",
    "ǅ ǈ ǋ", "İıiI", "ß ẞ ŉ", "ﬁ ﬂ ﬃ", "ⓐⓑⓒ", "ℝ ℂ", "𝒜𝓑𝕮", "ᏣᎳᎩ", "ᚠᛇᚻ", "\u1c89\u1c8a", "\ua7cb\ua7dc", "\U00010d50\U00010d70",
    "\U00016d40", "\U0001e5d0", "\u0897x", "\U00010d40\U00010d41", "\u1b4e", "\u2427", "\U000105c0",
    "hello world", "Hello, World!", "HELLO WORLD", "helloWorld", "HTTPServerError", "snake_case_name", "kebab-case-name",
    "https://example.org/path?query=1&other=%20#part", "user@example.org", "/usr/lib/x86_64-linux-gnu", "C:\\Users\\x",
    "a==b && c!=d || !e", "x+=1;--y", "((()))", "[[]]{{}}", "\"\"\"", "```python\nprint(1)\n```", "<html></html>", "&amp;&lt;",
    "#hashtag @mention $var %d ^caret *star*", "...", "…", "--", "—–-", "!!!???", "\\\\n", "a\\nb", "!abc", ".abc", "(abc", " (abc", "_abc",
    "$100 €200 £300", "50%", "a/b/c", "x^2+y^2=z^2", "\u2014a", "«a»", "“a”", "¿a?", "a·b", "a•b", "\u0902", "\u20dd", "a\u20dd",
    "<|im_start|>user\nhi<|im_end|>\n", "<|im_start|><|im_start|>", "<|im_start |>", "<|im_start", "<|im_end|>x", "x<|im_end|>",
    "<|endoftext|>", "<|ENDOFTEXT|>", "<\u200b|endoftext|>", "＜|endoftext|＞", "<|begin_of_text|>", "<|begin_of_text|><|eot_id|>",
    "<|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|>", "<｜begin▁of▁sentence｜>", "<|begin▁of▁sentence|>", "<｜User｜>hi<｜Assistant｜>",
    "<｜fim▁hole｜>", "<think>\nwell\n</think>\n\nso", "<tool_call>{\"a\": 1}</tool_call>", "< think>", "<s>", "</s>", "<s>a</s>", "<unk>", "<pad>", "<0x41>",
    "<0xE4>", "▁", "▁a", "a▁b", "▁▁", "Ġ", "Ġhello", "Ċ", "ġ", "a Ġ b", "<mask>", "a <mask> b", "a  <mask>\n b", "<mask><mask>", "word", "swords word", "(word)", "word_", "_word",
    "ⓐword", "wordⓐ", "word⓪", "wordé", "word\u0301", "word\u200d", "word word", "é!", "caf\u00e9!", "cafe\u0301!", "É", "NFC\u0301", "norm\u0065\u0301", "norm\u00e9",
    "a" * 100, "ab" * 70, " " * 130, "\n" * 40, "é" * 50, "今" * 90, "😀" * 30, "the " * 40, "=" * 80, "-" * 65, "a b " * 30, "aA1 " * 20, "\t" * 33,
    "supercalifragilisticexpialidocious" * 3, "x" * 63 + "y", "x" * 64 + "y", "x" * 65 + "y",
    "I live in 東京 with 3 chats, 2 ψάρια and один пёс 🐶.", "line one\nline two\r\nline three\rline four\n\n", "tab\tseparated\tvalues\n1\t2\t3\n",
    "trailing space \n  indented\n    more\n", "\n\n  \n\t\n x", "mixed \u00a0 \u2003 spaces", "a\n b\n  c\n   d",
]

POOLS = ["abcdefghij ", "ABC abc 'sSlLdD", "0123456789 .,", " \n\t\r", "éèüößñç\u0301\u0323\u0300", "今天日本語。，", "안녕하세요\u1100\u1161\u11a8", "مرحبا١٢ ",
         "😀👍🏽\u200d❤️", "<|>/s▁ĠĊ", "!?#$%&()*+-=[]{}", "\u00a0\u2003\u3000\u0085\u200b", "Привет мир", "नमस्ते १२"]


def strings() -> list[str]:
    """The nasty ones, then random mixes; all different."""
    draw = random.Random(7)
    mixed = []
    for number in range(150):
        pools = draw.sample(POOLS, draw.randint(1, 4))
        mixed.append("".join(draw.choice(draw.choice(pools)) for _ in range(draw.randint(1, 10 + number // 3))))
    lines = [line for line in CORPUS.split("\n") if line]
    return list(dict.fromkeys(["", *NASTY, *lines, *mixed]))


def corpus() -> list[str]:
    license_text = (Path(__file__).resolve().parents[2] / "LICENSE").read_text()
    return (CORPUS + license_text).splitlines(keepends=True)

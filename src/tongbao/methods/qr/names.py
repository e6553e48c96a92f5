"""A merchant's name and city as a code can carry them: printable ASCII in ids 59 and 60, the original in template 64.

Accents are dropped; letters of other scripts cannot be spelt without knowing their language, so what is left of a mixed name
is used and otherwise a neutral word. Whoever knows a better spelling passes it. Source: EMV QRCPS MPM 1.1, table 3.6 and 3.8.
"""

from __future__ import annotations

import re
import unicodedata

MAX_NAME = 25
MAX_CITY = 15
_NO_NAME = "TONGBAO MERCHANT"
_ASCII_STAND_INS = str.maketrans({
    "ß": "ss", "Æ": "AE", "æ": "ae", "Ø": "O", "ø": "o", "Œ": "OE", "œ": "oe", "Ł": "L", "ł": "l", "Đ": "D", "đ": "d",
    "’": "'", "‘": "'", "–": "-", "—": "-", "·": " ",
})  # fmt: skip
#: Shape letters of Persian and Indic scripts; every other invisible character could only mislead the eye.
_JOINERS = "\u200c\u200d"
_DROPPED = ("Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp")

#: Pinyin of the cities most shops are in; a trailing 市 is ignored.
_CITIES = {
    "北京": "BEIJING", "上海": "SHANGHAI", "天津": "TIANJIN", "重庆": "CHONGQING", "广州": "GUANGZHOU", "深圳": "SHENZHEN",
    "杭州": "HANGZHOU", "南京": "NANJING", "苏州": "SUZHOU", "成都": "CHENGDU", "武汉": "WUHAN", "西安": "XI'AN",
    "长沙": "CHANGSHA", "郑州": "ZHENGZHOU", "青岛": "QINGDAO", "济南": "JINAN", "宁波": "NINGBO", "厦门": "XIAMEN",
    "福州": "FUZHOU", "合肥": "HEFEI", "昆明": "KUNMING", "沈阳": "SHENYANG", "大连": "DALIAN", "哈尔滨": "HARBIN",
    "长春": "CHANGCHUN", "石家庄": "SHIJIAZHUANG", "太原": "TAIYUAN", "南昌": "NANCHANG", "南宁": "NANNING", "贵阳": "GUIYANG",
    "海口": "HAIKOU", "三亚": "SANYA", "兰州": "LANZHOU", "西宁": "XINING", "银川": "YINCHUAN", "乌鲁木齐": "URUMQI",
    "拉萨": "LHASA", "呼和浩特": "HOHHOT", "无锡": "WUXI", "佛山": "FOSHAN", "东莞": "DONGGUAN", "珠海": "ZHUHAI",
    "温州": "WENZHOU", "泉州": "QUANZHOU", "扬州": "YANGZHOU", "洛阳": "LUOYANG", "桂林": "GUILIN", "丽江": "LIJIANG",
    "香港": "HONG KONG", "澳门": "MACAO", "台北": "TAIPEI",
}  # fmt: skip


def latin_name(name: str) -> str:
    """`name` in at most 25 printable ASCII characters; never empty."""
    return _ascii(name, MAX_NAME) or _NO_NAME


def latin_city(city: str, country: str) -> str:
    """`city` in at most 15 printable ASCII characters; the country's code when it cannot be spelt."""
    return _CITIES.get(tidy(city).removesuffix("市")) or _ascii(city, MAX_CITY) or country


def local_form(text: str, limit: int) -> str | None:
    """`text` cut to `limit` characters for template 64, or None when plain ASCII already says it all or nothing is left."""
    tidied = tidy(text)
    return None if tidied.isascii() else _cut(tidied, limit)


def tidy(text: str) -> str:
    """One line, composed (NFC), without control, invisible or unassigned characters."""
    composed = unicodedata.normalize("NFC", text)
    spaced = (" " if char.isspace() else char for char in composed)
    kept = (char for char in spaced if char in _JOINERS or unicodedata.category(char) not in _DROPPED)
    return re.sub(" +", " ", "".join(kept)).strip()


def _ascii(text: str, limit: int) -> str:
    plain = unicodedata.normalize("NFKD", tidy(text).translate(_ASCII_STAND_INS))
    kept = re.sub(r"[^\x20-\x7e]+", "", plain)
    words = re.sub(" +", " ", kept).strip()
    # Brackets and dots that are left over from a name in another script are not a name.
    return _cut(words, limit) if re.search("[A-Za-z0-9]", words) else ""


def _cut(text: str, limit: int) -> str:
    return text[:limit].strip()

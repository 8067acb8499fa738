"""The families of codecs and their peers."""

from __future__ import annotations

from peers import mimi, mimo, snac
from peers.family import Family
from peers.pictures import PICTURES
from peers.transformers_models import DAC_24, ENCODEC_48, dac_peer, encodec_peer, maker

FAMILIES = (
    Family(
        "mimi",
        24000,
        maker("Mimi", {}),
        {"transformers": mimi.transformers_peer, "rustymimi": mimi.rustymimi_peer},
    ),
    Family("encodec-24k", 24000, maker("Encodec", {}), {"transformers": encodec_peer}),
    Family("encodec-48k", 48000, maker("Encodec", ENCODEC_48), {"transformers": encodec_peer}, channels=2),
    Family("dac-24k", 24000, maker("Dac", DAC_24), {"transformers": dac_peer}),
    Family("snac-24k", 24000, snac.make, {"snac": snac.peer}, compilable=("snac",)),
    *PICTURES,
    Family("mimo", 24000, mimo.make, {"official": mimo.peer}, compilable=("official",), large=True),
)


def family_named(name: str) -> Family:
    return next(family for family in FAMILIES if family.name == name)

"""The rules as other modules see them."""

from tongbao.rules.assess import Weighed, assess, law_keys, weigh
from tongbao.rules.persons import carrying
from tongbao.rules.rules import DECIDERS, give_back
from tongbao.rules.types import DUTY, RULEBOOK, RULEBOOK_VERSION, USAGE, Act

RELATIONS = (RULEBOOK, RULEBOOK_VERSION, USAGE, DUTY)

__all__ = [
    "Act", "DECIDERS", "DUTY", "RELATIONS", "RULEBOOK", "RULEBOOK_VERSION", "USAGE", "Weighed", "assess", "carrying",
    "give_back", "law_keys", "weigh",
]  # fmt: skip

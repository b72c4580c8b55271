"""Image sets whose content and pose are known: digits, sprites, hinged particles, fields."""

from tvae_core.synthetic.kinds import KINDS, plan_set
from tvae_core.synthetic.options import Kind, Option
from tvae_core.synthetic.plan import ImagePlan, SyntheticSet, plan_of
from tvae_core.synthetic.transform import place, turn_back
from tvae_core.synthetic.write import write_set

__all__ = [
    "KINDS",
    "ImagePlan",
    "Kind",
    "Option",
    "SyntheticSet",
    "place",
    "plan_of",
    "plan_set",
    "turn_back",
    "write_set",
]

"""The kinds of set with one object an image."""

from __future__ import annotations

from tvae_core.synthetic.digits import digits_u
from tvae_core.synthetic.hinge import hinge, two_arm
from tvae_core.synthetic.mnist import mnist_n, mnist_u
from tvae_core.synthetic.options import Kind
from tvae_core.synthetic.sprites import sprites

_SINGLES = (
    Kind("digits-u", digits_u, "scikit-learn's 1,797 digits, turned by any angle and moved"),
    Kind("mnist-n", mnist_n, "MNIST digits turned by N(0, pi^2/16) and moved, from idx files"),
    Kind("mnist-u", mnist_u, "MNIST digits turned by any angle and moved, from idx files"),
    Kind("sprites", sprites, "squares, ellipses and hearts of six scales, as dSprites"),
    Kind("hinge", hinge, "cryo-EM particles with a leg on a hinge, CTF and noise"),
    Kind("two-arm", two_arm, "cryo-EM particles with two independent arms, CTF and noise"),
)
SINGLES: dict[str, Kind] = {kind.name: kind for kind in _SINGLES}

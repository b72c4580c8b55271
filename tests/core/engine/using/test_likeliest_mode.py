"""What is inferred of an image are the means over the cells about its likeliest one."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from tests.core.engine.model.models import blob_images, small_model
from tests.core.engine.model.test_baselines import compared
from tvae_core.engine.model.encoder import wrap
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.engine.using.inference import infer
from tvae_core.engine.using.likeliest_mode import _about_the_peak, likeliest_mode

IMAGES = blob_images(5)


@torch.no_grad()
def one_by_one(model: TargetVae, image: torch.Tensor) -> dict[str, Any]:
    """Return the same with loops over all cells of one image."""
    q = model.infer(image[None])
    rotations, side = q.log_q.shape[2], model.grid.cells_per_axis
    peak = int(q.log_q[0].argmax())
    place, turn = divmod(peak, rotations)
    near_turns = min(max(1, rotations // 8), (rotations - 1) // 2)
    angles = wrap(q.angle_mean[0] + model.cells.angles)
    found, total = [], 0.0
    for s in range(side**2):
        for r in range(rotations):
            rows, columns = s // side - place // side, s % side - place % side
            away = min((r - turn) % rotations, (turn - r) % rotations)
            step = wrap(angles[s, r] - angles[place, turn])
            near = max(abs(rows), abs(columns)) <= 2 and away <= near_turns
            if near and abs(step) <= math.pi / 4:
                weight = float(q.log_q[0, s, r].exp())
                shift = model.positions_px[s].clone()
                if q.shift_mean is not None:
                    shift += q.shift_mean[0, s, r]
                found.append((weight, q.z_mean[0, s, r], step, shift, q.z_log_std[0, s, r].exp()))
                total += weight
    z = sum(w * one for w, one, *_ in found) / total
    variance = sum(w * (std**2 + (one - z) ** 2) for w, one, _, _, std in found) / total
    angle = wrap(angles[place, turn] + sum(w * step for w, _, step, *_ in found) / total)
    shift = sum(w * one for w, _, _, one, _ in found) / total
    return {"z_mean": z, "z_std": variance.sqrt(), "angle_rad": angle,
            "shift_px": model.placed(angle[None], shift[None], z[None])[0]}  # fmt: skip


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"rotations": 16},
        {"rotations": 4},
        {"rotations": 1},
        {"shift_pitch_px": 2},
        {"subpixel_shift": False},
        {"rotation_inference": False},
        {"shift_prior_std_px": 0.6},  # few cells: the mode ends at the border
    ],
)
def test_they_are_the_means_of_the_near_cells(settings: dict[str, Any]) -> None:
    model = small_model(**settings).eval()
    found = infer(model, IMAGES)
    for number, image in enumerate(IMAGES):
        for name, expected in one_by_one(model, image).items():
            one = getattr(found, name)[number]
            torch.testing.assert_close(one, expected, atol=2e-5, rtol=1e-4, msg=name)


@pytest.mark.parametrize("system", ["vae", "spatial-vae"])
def test_a_system_of_one_cell_gives_that_cell(system: str) -> None:
    model = compared(system).eval()
    posterior, found = model.infer(IMAGES), infer(model, IMAGES)
    torch.testing.assert_close(found.z_mean, posterior.z_mean[:, 0, 0].detach())
    torch.testing.assert_close(found.z_std, posterior.z_log_std[:, 0, 0].exp().detach())
    assert torch.equal(found.peak, torch.ones(len(IMAGES)))


def test_an_object_upside_down_is_another_mode() -> None:
    """Half of q lies half a turn away: nothing of it is averaged in."""
    model = small_model().eval()
    with torch.no_grad():
        features = model.encoder.features(IMAGES)
        log_q = torch.full(features.shape[:3], -30.0)
        log_q[:, 12, 1] = math.log(0.51)
        alone = likeliest_mode(model, features, log_q)
        log_q[:, 12, 5] = math.log(0.49)
        both = likeliest_mode(model, features, log_q)
    for name, value in alone.items():
        torch.testing.assert_close(both[name], value, atol=1e-6, rtol=0, msg=name)
    torch.testing.assert_close(alone["peak"], torch.full((5,), 0.51))


def test_cells_are_counted_once_and_those_beyond_the_border_not_at_all() -> None:
    for rotations in (1, 2, 3, 4, 8, 16):
        log_q = torch.zeros(1, 9, rotations)
        log_q[0, 0, 0] = 1.0  # the corner
        _, place, turn, beyond = _about_the_peak(3, log_q)
        index = place * rotations + turn
        seen = index[~beyond].tolist()
        assert len(seen) == len(set(seen))
        assert index[0, index.shape[1] // 2] == 0
        near_turns = {1: 1, 2: 1, 3: 3, 4: 3, 8: 3, 16: 5}[rotations]
        assert len(seen) == 9 * near_turns

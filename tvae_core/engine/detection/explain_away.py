"""Objects of a field one after the other: drawn, weighed against the pixels, subtracted.

Shapes: C channels, h w field, n objects, m poses tried of each, D content dimensions, W model side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor
from torch.nn import functional as F

from tvae_core.analysis.picks import peaks, suppressed
from tvae_core.engine.detection.field_encoder import FieldEncoder, Looks, Places
from tvae_core.engine.model.likelihood import expected_pixels
from tvae_core.engine.model.target_vae import TargetVae

Float = NDArray[np.float64]

ROUNDS = 4
POSES = 3  # rotations tried at a place, the most likely ones
_POLISHED = 2  # sweeps over all objects, each seen without the others
_AROUND_PX = 2
_PEAK_SHARE = 0.35  # of the object's radius: two peaks are no nearer
_SAME_SHARE = 0.5  # of the object's radius: two objects are no nearer
_CROWD = 3.0  # candidates a round, over how many objects would fill the field
_KEPT = 0.7  # of the gain it had must a candidate still have to be taken at once
_DRAWN_AT_ONCE = 64


@dataclass(frozen=True)
class Objects:
    """Objects of one field, in the model's pixels.

    place (n, 2) (row, column); offset_px (n, 2) (x, y up) from that pixel's centre; angle_rad (n,);
    z (n, D); score (n,); attention (n,).
    """

    place: Places
    offset_px: Float
    angle_rad: Float
    z: Float
    score: Float
    attention: Float

    def __len__(self) -> int:
        return len(self.place)

    def chosen(self, keep: Any) -> Objects:
        """Return the objects of a mask or of indices."""
        return Objects(**{f.name: getattr(self, f.name)[keep] for f in fields(self)})

    def places_px(self, height: int, width: int) -> Float:
        """Return (x, y) from the field's centre, (n, 2), y up."""
        x = self.place[:, 1] - (width - 1) / 2 + self.offset_px[:, 0]
        y = (height - 1) / 2 - self.place[:, 0] + self.offset_px[:, 1]
        return np.stack([x, y], 1)

    @classmethod
    def joined(cls, parts: list[Objects]) -> Objects:
        """Return several, at least one, as one."""
        return cls(**{f.name: np.concatenate([getattr(p, f.name) for p in parts])
                      for f in fields(cls)})  # fmt: skip


@dataclass(frozen=True)
class Scale:
    """What the run knows of its objects.

    `variance` is that of the residual of a pixel, `radius_px` holds an object, and below
    `lowest_attention` no place is a candidate.
    """

    variance: float
    radius_px: float
    lowest_attention: float


class Explainer:
    """Finds the objects of fields whose background is zero.

    Parameters
    ----------
    model : TargetVae
        In evaluation mode.
    scale : Scale
    tile_px, cancelled
        As for `FieldEncoder`.
    """

    def __init__(
        self,
        model: TargetVae,
        scale: Scale,
        tile_px: int = 0,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self.model, self.scale = model, scale
        self._compared = model.inside
        self.encoder = FieldEncoder(model, tile_px, cancelled)
        side = model.side
        # the window's pixel that lies on the place, and its centre from the window's
        self._at = side // 2
        self._centre = (side // 2 - (side - 1) / 2, (side - 1) / 2 - side // 2)

    # --- the paper's way -------------------------------------------------------------------------
    def peaks_of(self, values: Tensor) -> Objects:
        """Return the peaks of the attention map after suppression, as appendix A.4 takes them."""
        attention = self.encoder.attention(values)
        places = peaks(attention, self.scale.radius_px, self.scale.lowest_attention)
        return self._peaks(values, places, attention)

    def _peaks(self, values: Tensor, places: Places, attention: NDArray[np.floating]) -> Objects:
        if not len(places):
            return self._none()
        looks = self.encoder.look(values, places)
        score = attention[tuple(places.T)].astype(np.float64)
        first = Looks(looks.attention, *(column[:, 0] for column in looks[1:]))
        return _objects(places, first, score)

    @torch.no_grad()
    def drawn_sum(self, found: Objects, values: Tensor) -> Tensor:
        """Return the sum of objects as drawn, of the shape of values (C, h, w)."""
        total = _Residual(torch.zeros_like(values), self.model.side)
        if len(found):
            total.add(found.place, self._drawn(found))
        return total.values

    # --- explaining away -------------------------------------------------------------------------
    @torch.no_grad()
    def explain(self, values: Tensor) -> tuple[Objects, Tensor]:
        """Return the objects of values (C, h, w) and their sum as drawn, (C, h, w).

        Rounds: candidates are the peaks of the attention of what is not yet explained. From the
        strongest on, each is drawn at its likeliest poses and accepted where it makes the residual
        smaller; then it is subtracted. Where something was subtracted it is looked again. At the
        end each object is fitted once more with all the others taken away.
        """
        residual = _Residual(values, self.model.side)
        found, attention, changed = self._none(), None, None
        for _ in range(ROUNDS):
            attention = self.encoder.attention(residual.values, attention, changed)
            new = self._accept(residual, self._candidates(attention, found), found)
            if not len(new):
                break
            found, changed = Objects.joined([found, new]), new.place
        for _ in range(_POLISHED):
            found = self._polish(residual, found)
        return found, values - residual.values

    def _candidates(self, attention: NDArray[np.float32], found: Objects) -> Places:
        radius = self.scale.radius_px
        places = peaks(attention, max(1.0, _PEAK_SHARE * radius), self.scale.lowest_attention)
        most = int(_CROWD * attention.size / (np.pi * radius**2)) + 1
        return places[self._apart(places, found)][:most]

    def _apart(self, places: Places, found: Objects) -> NDArray[np.bool_]:
        """Return which places are not those of an object that is there already."""
        if not len(found) or not len(places):
            return np.ones(len(places), bool)
        away, _ = cKDTree(found.place).query(places)
        return np.asarray(away > _SAME_SHARE * self.scale.radius_px)

    def _accept(self, residual: _Residual, places: Places, found: Objects) -> Objects:
        """Accept candidates, those of most gain first; those that do not touch go together.

        What was accepted lowers the gain of what it touches. So a candidate is weighed again when
        its turn comes, and waits for another turn where it lost much.
        """
        accepted = [found]
        strength = self._gains(residual, places)
        while True:
            places, strength = places[strength > 0], strength[strength > 0]
            if not len(places):
                return Objects.joined(accepted).chosen(slice(len(found), None))
            wave = suppressed(places, strength, 1.5 * self.model.side)
            tried, drawn = self._best(residual, self._climbed(residual, places[wave]))
            free = self._apart(tried.place, Objects.joined(accepted))
            free &= tried.attention >= self.scale.lowest_attention
            good = free & (tried.score > 0) & (tried.score >= _KEPT * strength[wave])
            accepted.append(tried.chosen(good))
            residual.add(tried.place[good], -drawn[torch.as_tensor(good)])
            strength[wave] = np.where(free & ~good, tried.score, 0.0)

    def _gains(self, residual: _Residual, places: Places) -> Float:
        parts = [
            self._best(residual, places[start : start + _DRAWN_AT_ONCE])[0].score
            for start in range(0, len(places), _DRAWN_AT_ONCE)
        ]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _climbed(self, residual: _Residual, places: Places) -> Places:
        """Return the places of the highest attention around places (n, 2), as it is now."""
        axis = np.arange(-_AROUND_PX, _AROUND_PX + 1)
        around = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
        height, width = residual.values.shape[1:]
        near = places[:, None] + around[None]
        near = np.clip(near, 0, [height - 1, width - 1])
        attention = self.encoder.attention_at(residual.values, near.reshape(-1, 2))
        best = attention.reshape(len(places), -1).argmax(1)
        return np.asarray(near[np.arange(len(places)), best])

    def _best(self, residual: _Residual, places: Places) -> tuple[Objects, Tensor]:
        """Return the objects of most gain at places, and them as drawn, (n, C, W, W)."""
        looks = self.encoder.look(residual.values, places, POSES)
        count, poses = looks.angle_rad.shape
        drawn = self.draw(looks.z.flatten(0, 1), looks.angle_rad.flatten(),
                          looks.shift_px.flatten(0, 1))  # fmt: skip
        drawn = drawn.view(count, poses, *drawn.shape[1:])
        gain = residual.gain(places, drawn) / (2.0 * self.scale.variance)  # (n, m)
        score, pose = gain.max(1)
        row = torch.arange(count, device=pose.device)
        chosen = Looks(looks.attention, *(column[row, pose] for column in looks[1:]))
        return _objects(places, chosen, score.double().cpu().numpy()), drawn[row, pose]

    def draw(self, z: Tensor, angle_rad: Tensor, shift_px: Tensor) -> Tensor:
        """Return objects as drawn about a pixel, `levelled`, (n, C, W, W).

        z (n, D), angle_rad (n,), shift_px (n, 2) from the pixel's centre.
        """
        model, side = self.model, self.model.side
        centre = torch.tensor(self._centre, device=z.device, dtype=z.dtype)
        parts = []
        for start in range(0, len(z), _DRAWN_AT_ONCE):
            some = slice(start, start + _DRAWN_AT_ONCE)
            raw = model.draw(z[some], angle_rad[some], shift_px[some] + centre)
            seen = expected_pixels(raw, model.model).transpose(1, 2)  # (n, C, P)
            parts.append(levelled(seen.reshape(len(seen), -1, side, side), self._compared))
        return torch.cat(parts)

    def _polish(self, residual: _Residual, found: Objects) -> Objects:
        """Fit each object again to what the others leave; drop those that no longer gain."""
        result, left = [self._none()], found.chosen(np.argsort(-found.score, kind="stable"))
        while len(left):
            wave = suppressed(left.place, -np.arange(len(left)), 1.5 * self.model.side)
            old = left.chosen(wave)
            own = self._drawn(old)
            residual.add(old.place, own)
            again = residual.gain(old.place, own[:, None])[:, 0] / (2.0 * self.scale.variance)
            old_score = again.double().cpu().numpy()
            new, drawn = self._best(residual, self._climbed(residual, old.place))
            better = new.score > old_score
            best = _either(better, new, old, old_score)
            drawn = torch.where(torch.as_tensor(better, device=own.device)[:, None, None, None],
                                drawn, own)  # fmt: skip
            good = best.score > 0
            residual.add(best.place[good], -drawn[torch.as_tensor(good)])
            result.append(best.chosen(good))
            left = left.chosen(np.setdiff1d(np.arange(len(left)), wave))
        return Objects.joined(result)

    def _drawn(self, found: Objects) -> Tensor:
        device = self.model.points_px.device
        z, angle, shift = (
            torch.tensor(values, dtype=torch.float32, device=device)
            for values in (found.z, found.angle_rad, found.offset_px)
        )
        return self.draw(z, angle, shift)

    def _none(self) -> Objects:
        empty, d = np.zeros(0), self.model.model.z_dim
        two = np.zeros((0, 2))
        return Objects(two.astype(np.int64), two, empty, np.zeros((0, d)), empty, empty)


class _Residual:
    """What is not yet explained of a field, with room around it for windows at its edge."""

    def __init__(self, values: Tensor, side: int) -> None:
        self._side, self._at = side, side // 2
        self._padded = F.pad(values, (side,) * 4)
        self._inside = F.pad(torch.ones_like(values[0]), (side,) * 4)
        self._height, self._width = values.shape[1:]

    @property
    def values(self) -> Tensor:
        """(C, h, w)."""
        side = self._side
        return self._padded[:, side : side + self._height, side : side + self._width]

    def gain(self, places: Places, drawn: Tensor) -> Tensor:
        """Return by how much the sum of squares falls, (n, m), when drawn (n, m, C, W, W) goes."""
        corners = self._corners(places)
        side = self._side
        seen = torch.stack([self._padded[:, r : r + side, c : c + side] for r, c in corners])
        inside = torch.stack([self._inside[r : r + side, c : c + side] for r, c in corners])
        drawn = drawn * inside[:, None, None]
        return (drawn * (2.0 * seen[:, None] - drawn)).sum((2, 3, 4))

    def add(self, places: Places, drawn: Tensor) -> None:
        """Add drawn (n, C, W, W) at places (n, 2)."""
        side = self._side
        for (row, column), one in zip(self._corners(places), drawn, strict=True):
            self._padded[:, row : row + side, column : column + side] += one
        self._padded *= self._inside

    def _corners(self, places: Places) -> list[list[int]]:
        corners: list[list[int]] = (np.asarray(places) + self._side - self._at).tolist()
        return corners


def levelled(images: Tensor, inside: Tensor) -> Tensor:
    """Return images (n, C, H, W) above their background, and zero where they are not compared.

    The background is the median of the outermost pixels of `inside`, (H, W) bool.
    """
    outside = F.pad(~inside, (1,) * 4, value=True)[None].float()
    rim = inside & (F.max_pool2d(outside, 3, stride=1)[0] > 0)
    return (images - images[..., rim].median(-1).values[..., None, None]) * inside


def _objects(places: Places, looks: Looks, score: Float) -> Objects:
    offset, angle, z, attention = (
        column.double().cpu().numpy()
        for column in (looks.shift_px, looks.angle_rad, looks.z, looks.attention)
    )
    return Objects(np.asarray(places), offset, angle, z, score, attention)


def _either(better: NDArray[np.bool_], new: Objects, old: Objects, old_score: Float) -> Objects:
    """Return the new objects where they are better, the old ones, scored anew, elsewhere."""

    def pick(a: Any, b: Any) -> Any:
        return np.where(better.reshape(-1, *(1,) * (a.ndim - 1)), a, b)

    values = {f.name: pick(getattr(new, f.name), getattr(old, f.name)) for f in fields(Objects)}
    return Objects(**(values | {"score": np.where(better, new.score, old_score)}))

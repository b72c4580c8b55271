"""Gate 9: a table leads out of its project folder only where somebody has allowed it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.core.images.makers import mrc_bytes, star_text
from tvae_core.config import DataConfig, RunConfig, parse_config
from tvae_core.errors import OutsideError
from tvae_core.images import stack_paths
from tvae_core.images.opening import open_data, open_stack

SECRET, MINE = 77.0, 5.0


def stack(path: Path, value: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(mrc_bytes(np.full((3, 8, 8), value, np.float32)))
    return path


@pytest.fixture
def outer(tmp_path: Path) -> Path:
    """Return a folder with somebody's images, and beside them a project that a stranger sent."""
    stack(tmp_path / "private" / "secret.mrcs", SECRET)
    (tmp_path / "sent").mkdir()
    return tmp_path


def star(folder: Path, named: str, image_root: str = "") -> DataConfig:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "p.star").write_text(star_text([f"1@{named}"]))
    return DataConfig(path=str(folder / "p.star"), image_root=image_root)


def cs(folder: Path, named: str) -> DataConfig:
    folder.mkdir(parents=True, exist_ok=True)
    fields = [("uid", "u8"), ("blob/path", "S200"), ("blob/idx", "u4"), ("blob/shape", "2u4")]
    rows = np.zeros(1, fields)
    rows["blob/path"], rows["blob/shape"] = named, 8
    with open(folder / "p.cs", "wb") as stream:
        np.save(stream, rows)
    return DataConfig(path=str(folder / "p.cs"))


def link(at: Path, to: Path | str) -> None:
    at.parent.mkdir(parents=True, exist_ok=True)
    os.symlink(to, at)


def linked_stack(outer: Path) -> DataConfig:
    link(outer / "sent" / "mine.mrcs", outer / "private" / "secret.mrcs")
    return star(outer / "sent", "mine.mrcs")


def linked_relatively(outer: Path) -> DataConfig:
    link(outer / "sent" / "mine.mrcs", "../private/secret.mrcs")
    return star(outer / "sent", "mine.mrcs")


def linked_twice(outer: Path) -> DataConfig:
    link(outer / "sent" / "other.mrcs", outer / "private" / "secret.mrcs")
    link(outer / "sent" / "mine.mrcs", "other.mrcs")
    return star(outer / "sent", "mine.mrcs")


def linked_folder(outer: Path) -> DataConfig:
    link(outer / "sent" / "Extract", outer / "private")
    return star(outer / "sent", "Extract/secret.mrcs")


def linked_job(outer: Path) -> DataConfig:
    link(outer / "sent" / "Extract" / "job002", outer / "private")
    return star(outer / "sent" / "Select" / "job003", "Extract/job002/secret.mrcs")


def linked_import(outer: Path) -> DataConfig:
    link(outer / "sent" / "J1" / "imported" / "secret.mrcs", outer / "private" / "secret.mrcs")
    return cs(outer / "sent" / "J2", ">J1/imported/secret.mrcs")


def linked_beside(outer: Path) -> DataConfig:
    """Found by its name alone, beside the table."""
    link(outer / "sent" / "secret.mrcs", outer / "private" / "secret.mrcs")
    return star(outer / "sent", "/lost/disk/secret.mrcs")


def under_a_root(outer: Path) -> DataConfig:
    return star(outer / "sent", "../private/secret.mrcs", str(outer / "sent"))


def linked_under_a_root(outer: Path) -> DataConfig:
    link(outer / "sent" / "mine.mrcs", outer / "private" / "secret.mrcs")
    return star(outer / "sent", "mine.mrcs", str(outer / "sent"))


def at_home(outer: Path) -> DataConfig:
    """A table among downloads, whose folder above is the user's home."""
    return star(outer / "Downloads", "private/secret.mrcs")


WAYS_OUT: dict[str, Callable[[Path], DataConfig]] = {
    "above": lambda o: star(o / "sent", "../private/secret.mrcs"),
    "above, from below": lambda o: star(o / "sent" / "a" / "b", "../../../private/secret.mrcs"),
    "above by a detour": lambda o: (
        star(o / "sent", "./a/../../private/./secret.mrcs")
        if not (o / "sent" / "a").mkdir()
        else DataConfig()
    ),
    "above and back": lambda o: star(o / "sent", "../sent/../private/secret.mrcs"),
    "above with backslashes": lambda o: star(o / "sent", "..\\private\\secret.mrcs"),
    "above with its kind": lambda o: star(o / "sent", "../private/secret.mrcs:mrcs"),
    "absolute": lambda o: star(o / "sent", str(o / "private" / "secret.mrcs")),
    "absolute with its kind": lambda o: star(o / "sent", f"{o}/private/secret.mrcs:mrcs"),
    "absolute with two slashes": lambda o: star(o / "sent", f"/{o}/private/secret.mrcs"),
    "absolute, above": lambda o: star(o / "sent", f"{o}/sent/../private/secret.mrcs"),
    "from the root of the disk": lambda o: star(o / "sent", f"{str(o)[1:]}/private/secret.mrcs"),
    "two folders above": lambda o: star(o / "sent" / "a", "private/secret.mrcs"),
    "from home": at_home,
    "above, cryoSPARC": lambda o: cs(o / "sent", "../private/secret.mrcs"),
    "absolute, cryoSPARC": lambda o: cs(o / "sent", str(o / "private" / "secret.mrcs")),
    "a link": linked_stack,
    "a relative link": linked_relatively,
    "a link to a link": linked_twice,
    "a linked folder": linked_folder,
    "a linked job": linked_job,
    "a linked import": linked_import,
    "a link beside the table": linked_beside,
    "above a named root": under_a_root,
    "a link under a named root": linked_under_a_root,
}


@pytest.mark.parametrize("name", WAYS_OUT)
def test_ways_out_are_refused_until_they_are_allowed(
    outer: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(stack_paths.Path, "home", lambda: outer)
    data = WAYS_OUT[name](outer)
    with pytest.raises(OutsideError, match=r"leads out of the project folder .*allow-outside") as e:
        open_data(data)
    assert "\n" not in str(e.value)
    with open_data(data.model_copy(update={"allow_outside": True})) as found:
        assert found.read([0]).max() == SECRET


HONEST: dict[str, Callable[[Path], DataConfig]] = {
    "beside the table": lambda o: star(o / "p", "a.mrcs"),
    "below the table": lambda o: star(o / "p", "Extract/job2/a.mrcs"),
    "RELION": lambda o: star(o / "p" / "Select" / "job7", "Extract/job2/a.mrcs"),
    "RELION, a part of a job": lambda o: star(o / "p" / "Class2D" / "job7" / "x", "Polish/a.mrcs"),
    "RELION, absolute": lambda o: star(o / "p" / "Refine3D" / "job7", f"{o}/p/Polish/a.mrcs"),
    "cryoSPARC": lambda o: cs(o / "p" / "J9", ">J2/extract/a.mrcs"),
    "cryoSPARC, exported": lambda o: cs(o / "p" / "exports" / "groups" / "x", "J2/a.mrcs"),
    "tables in a folder of their own": lambda o: star(o / "p" / "tables", "stacks/a.mrcs"),
    "absolute, in the folder": lambda o: star(o / "p", f"{o}/p/stacks/a.mrcs"),
    "down and up": lambda o: star(o / "p", "stacks/../stacks/a.mrcs"),
    "a named root": lambda o: star(o / "q", "/old/disk/stacks/a.mrcs", str(o / "p" / "stacks")),
}


@pytest.mark.parametrize("name", HONEST)
def test_projects_as_programs_lay_them_out_are_read(tmp_path: Path, name: str) -> None:
    for place in ("", "Extract/job2", "Polish", "J2/extract", "J2", "stacks"):
        stack(tmp_path / "p" / place / "a.mrcs", MINE)
    with open_data(HONEST[name](tmp_path)) as found:
        assert found.read([0]).max() == MINE


def test_a_link_to_a_whole_project_is_that_project(tmp_path: Path) -> None:
    stack(tmp_path / "disk" / "p" / "Extract" / "a.mrcs", MINE)
    star(tmp_path / "disk" / "p" / "Select" / "job1", "Extract/a.mrcs")
    link(tmp_path / "here", tmp_path / "disk" / "p")
    with open_stack(tmp_path / "here" / "Select" / "job1" / "p.star") as found:
        assert found.read([0]).max() == MINE


def test_how_many_lead_out_is_said(outer: Path) -> None:
    stack(outer / "sent" / "a.mrcs", MINE)
    stack(outer / "private" / "more.mrcs", MINE)
    rows = ["1@a.mrcs", "1@../private/secret.mrcs", "1@../private/more.mrcs"]
    (outer / "sent" / "p.star").write_text(star_text(rows))
    with pytest.raises(OutsideError, match=r"its stack \.\./private/secret\.mrcs \(and 1 more\)"):
        open_stack(outer / "sent" / "p.star")


def test_runs_of_older_programs_read_what_they_were_begun_on() -> None:
    values = json.loads(RunConfig().model_dump_json())
    assert parse_config(values, "", kept=True).data.allow_outside is False
    del values["data"]["allow_outside"]
    assert parse_config(values, "", kept=True).data.allow_outside is True
    assert parse_config(values, "").data.allow_outside is False

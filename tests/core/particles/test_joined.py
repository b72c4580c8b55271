"""Joining a table to the images of a run: by a key, told with counts, never by luck."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.particles.makers import blob, in_stack, write_cs, write_star
from tvae_core.errors import TableError
from tvae_core.particles.joined import KeylessTable, join_table

N = 12
KINDS = np.arange(N) % 3


@dataclass
class Run:
    """The images of a run, as a store knows them."""

    images: int = N
    source_files: list[str] = field(default_factory=lambda: ["s.mrcs"])
    columns: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        return list(self.columns)

    def column(self, name: str) -> np.ndarray:
        defaults = {"source/file_index": np.zeros(N, np.int32), "source/index": np.arange(N)}
        return (defaults | self.columns)[name]


def written(folder: Path, text: str, name: str = "t.csv", encoding: str = "utf-8") -> Path:
    (folder / name).write_text(text, encoding=encoding)
    return folder / name


def rows(head: str, row, order=range(N)) -> str:
    return "\n".join([head, *(str(row(i)) for i in order)]) + "\n"


ORDER = np.random.default_rng(0).permutation(N).tolist()


# --- keys --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("head", "row", "key"),
    [
        ("file,index,class", lambda i: f"s.mrcs,{i},{KINDS[i]}", "file and index"),
        ("file,index,class", lambda i: f"/far/away/s.mrcs,{i},{KINDS[i]}", "file and index"),
        ("Image_Name,class", lambda i: f"{i + 1:06d}@Extract/s.mrcs,{KINDS[i]}", "image name"),
        ("rlnImageName\tclass", lambda i: f"{i + 1}@s.mrcs\t{KINDS[i]}", "image name"),
        ("class;index", lambda i: f"{KINDS[i]};{i}", "index"),
        ("image,class", lambda i: f"{i},{KINDS[i]}", "index"),
        (",class", lambda i: f"{i},{KINDS[i]}", "the first column"),
        ("index class", lambda i: f"{i}  {KINDS[i]}", "index"),
        ("class,uid", lambda i: f"{KINDS[i]},{2**63 + 7 * i}", "uid"),
    ],
)
def test_rows_in_another_order_are_joined_by_what_names_their_image(tmp_path, head, row, key):
    run = Run(columns={"source/uid": np.arange(N, dtype=np.uint64) * 7 + 2**63})
    joined = join_table(written(tmp_path, rows(head, row, ORDER)), run)
    assert joined.columns["class"].tolist() == KINDS.tolist()
    assert list(joined.columns) == ["class"]
    assert joined.key == key
    assert joined.words == f"1 column joined by {key}: 12 of 12 images have a row."


def test_particle_tables_are_joined_by_image_name_or_uid(tmp_path):
    names = in_stack(N)
    star = write_star(
        tmp_path / "r.star", [names[i] for i in ORDER], ClassNumber=KINDS[ORDER].tolist()
    )
    assert join_table(star, Run()).columns["rlnClassNumber"].tolist() == KINDS.tolist()
    fields = blob(N, "s.mrcs") | {"alignments2D/class": KINDS.astype("<u4")}
    fields = {name: values[ORDER] for name, values in fields.items()}
    cs = write_cs(tmp_path / "r.cs", fields)
    joined = join_table(cs, Run())
    assert joined.key == "image name"
    assert joined.columns["alignments2D/class"].tolist() == KINDS.tolist()
    uid = {"source/uid": np.arange(N, dtype=np.uint64) + 1000}
    moved = Run(source_files=["quite/other.mrcs"], columns=uid)
    joined = join_table(cs, moved)
    assert joined.key == "uid"
    assert joined.columns["alignments2D/class"].tolist() == KINDS.tolist()


def test_files_of_one_image_each_are_known_by_their_names(tmp_path):
    files = [f"cells/{i:03d}.png" for i in range(N)]
    run = Run(
        source_files=files,
        columns={"source/file_index": np.arange(N), "source/index": np.zeros(N, int)},
    )
    path = written(tmp_path, rows("filename,class", lambda i: f"{i:03d}.png,{KINDS[i]}", ORDER))
    assert join_table(path, run).columns["class"].tolist() == KINDS.tolist()


def test_a_stack_alone_is_no_image_of_it(tmp_path):
    path = written(tmp_path, "file,v\ns.mrcs,1\n")
    with pytest.raises(TableError, match="none of its rows matches an image of this run"):
        join_table(path, Run())


def test_stacks_of_one_name_in_two_folders_are_told_apart_or_refused(tmp_path):
    half = np.arange(N) // 6
    run = Run(
        source_files=["job1/s.mrcs", "job2/s.mrcs"],
        columns={"source/file_index": half, "source/index": np.arange(N) % 6},
    )
    line = lambda i: f"{i % 6 + 1}@job{half[i] + 1}/s.mrcs,{i}"  # noqa: E731
    path = written(tmp_path, rows("image_name,v", line, ORDER))
    assert join_table(path, run).columns["v"].tolist() == list(range(N))
    path.write_text(rows("image_name,v", lambda i: f"{i % 6 + 1}@s.mrcs,{i}", ORDER[:6]))
    with pytest.raises(TableError, match="none of its rows"):
        join_table(path, run)


def test_images_and_rows_without_a_partner_are_counted(tmp_path):
    lines = "index,v,word\n" + "".join(f"{i},{i},w{i}\n" for i in (3, 1, 7))
    joined = join_table(written(tmp_path, lines), Run())
    assert np.flatnonzero(np.isfinite(joined.columns["v"])).tolist() == [1, 3, 7]
    words = [f"w{i}" if i in (1, 3, 7) else "" for i in range(N)]
    assert joined.columns["word"].tolist() == words
    assert "3 of 12 images have a row" in joined.words
    names = [*in_stack(N)[:5], *in_stack(4, "other.mrcs")]
    joined = join_table(write_star(tmp_path / "t.star", names, Defocus=range(9)), Run())
    assert "5 of 12 images have a row, 4 of 9 rows match no image here" in joined.words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,index,v\n" + "".join(f"other.mrcs,{i},1\n" for i in range(N)), "none of its rows"),
        ("index,v\n1,5\n3,6\n1,7\n", "index 1 has 2 rows"),
        ("image_name,v\n2@s.mrcs,5\n2@s.mrcs,6\n", "image 2 of s.mrcs has 2 rows"),
        (
            rows("index,v", lambda i: f"{i + 1},0"),
            "index 12 matches no image: numbers go from 0 to",
        ),
        ("index\n0\n1\n", "no column besides those that name the images"),
        ("v\n1\n2\n", "2 rows, but the run has 12 images"),
    ],
)
def test_what_cannot_be_joined_is_refused_in_words(tmp_path, text, words):
    with pytest.raises(TableError, match=words) as caught:
        join_table(written(tmp_path, text), Run())
    assert not isinstance(caught.value, KeylessTable)
    assert "\n" not in str(caught.value)


def test_a_table_of_other_images_is_refused(tmp_path):
    star = write_star(tmp_path / "o.star", in_stack(N, "quite_another.mrcs"), ClassNumber=[2] * N)
    with pytest.raises(TableError, match="none of its rows matches an image of this run"):
        join_table(star, Run())


def test_by_position_only_when_it_is_said(tmp_path):
    path = written(tmp_path, rows("defocus,grid", lambda i: f"{i / 10},{'ab'[i % 2]}"))
    with pytest.raises(KeylessTable, match="join by position only if row k belongs to image k"):
        join_table(path, Run())
    joined = join_table(path, Run(), by_position=True)
    assert joined.columns["defocus"].tolist() == [i / 10 for i in range(N)]
    assert "2 columns joined by position: 12 of 12" in joined.words
    other = write_star(tmp_path / "o.star", in_stack(N, "renamed.mrcs"), ClassNumber=KINDS.tolist())
    assert join_table(other, Run(), by_position=True).columns["rlnClassNumber"].tolist() == [*KINDS]


@settings(max_examples=40, deadline=None)
@given(
    kept=st.lists(st.integers(0, N - 1), unique=True, min_size=1),
    key=st.sampled_from(["index", "name", "uid"]),
    strangers=st.integers(0, 3),
)
def test_any_rows_in_any_order_end_at_their_own_images(tmp_path_factory, kept, key, strangers):
    folder = tmp_path_factory.mktemp("join")
    run = Run(columns={"source/uid": np.arange(N, dtype=np.uint64) * 3 + 5})
    form = {"index": "{i}", "name": "{n}@s.mrcs", "uid": "{u}"}[key]
    head = {"index": "index", "name": "image name", "uid": "uid"}[key]
    extra = 0 if key == "index" else strangers  # a number past the last image is refused
    ids = [*kept, *range(N, N + extra)]
    lines = [f"{form.format(i=i, n=i + 1, u=i * 3 + 5)},{i}" for i in ids]
    joined = join_table(written(folder, "\n".join([f"{head},v", *lines])), run)
    expected = np.where(np.isin(np.arange(N), kept), np.arange(N), np.nan)
    np.testing.assert_array_equal(joined.columns["v"], expected)
    assert (joined.matched, joined.unused) == (len(kept), extra)


# --- columns -----------------------------------------------------------------------------------
@pytest.mark.parametrize("word", ["NA", "", "nan", "None", "null", "N/A", "<NA>"])
def test_one_missing_value_does_not_make_a_number_a_text(tmp_path, word):
    path = written(tmp_path, rows("index,v", lambda i: f"{i},{i if i % 5 else word}"))
    values = join_table(path, Run()).columns["v"]
    assert values.dtype == np.float64
    assert np.flatnonzero(np.isnan(values)).tolist() == [0, 5, 10]


@pytest.mark.parametrize(
    ("head", "row"),
    [
        ("index;value", lambda i: f"{i};{i // 10},{i % 10}"),
        ("index,value", lambda i: f'{i},"{i // 10},{i % 10}"'),
        ("index\tvalue", lambda i: f"{i}\t{i // 10},{i % 10}"),
    ],
)
def test_semicolons_and_decimal_commas_are_numbers(tmp_path, head, row):
    values = join_table(written(tmp_path, rows(head, row)), Run()).columns["value"]
    np.testing.assert_allclose(values, np.arange(N) / 10)


def test_what_may_be_thousands_stays_text(tmp_path):
    path = written(tmp_path, rows("index;value", lambda i: f"{i};1,2{i:02d}"))
    assert join_table(path, Run()).columns["value"].dtype.kind == "U"


def test_two_columns_of_one_name_are_both_kept_and_told(tmp_path):
    path = written(tmp_path, rows("a,a", lambda i: f"{i},{N - i}"))
    joined = join_table(path, Run(), by_position=True)
    assert joined.columns["a"].tolist() == list(range(N))
    assert joined.columns["a2"].tolist() == [N - i for i in range(N)]
    assert "the second column a is called a2" in joined.words


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"])
def test_other_encodings_are_read(tmp_path, encoding):
    text = rows("index,größe", lambda i: f"{i},{i}")
    text = "\ufeff" + text if encoding == "utf-16-le" else text
    joined = join_table(written(tmp_path, text, encoding=encoding), Run())
    assert joined.columns["größe"].tolist() == list(range(N))
    assert ("Latin-1" in joined.words) == (encoding == "latin-1")


def test_empty_last_lines_and_cells_are_left_out(tmp_path):
    text = rows("index,v", lambda i: f"{i},{i}") + ",\n\n , \n"
    assert join_table(written(tmp_path, text), Run()).rows == N
    trailing = rows("index,v,", lambda i: f"{i},{i},")
    assert join_table(written(tmp_path, trailing), Run()).columns["v"].tolist() == list(range(N))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty file"),
        (b"\x00\x01\x02\x03", "not a table of text"),
        (b"index,v\n", "no rows below"),
        (b"index,v\n0,1\n1\n", "line 3: 1 values for 2 columns"),
        (b"index,v\n0,1,2\n", "line 2: 3 values for 2 columns"),
        (rows("0,0", lambda i: f"{i},{KINDS[i]}").encode(), "first line holds numbers"),
        (rows("0.5;NA", lambda i: f"{i};1").encode(), "first line holds numbers"),
    ],
)
def test_what_is_no_table_is_refused_in_words(tmp_path, content, words):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(TableError, match=words):
        join_table(tmp_path / "t.csv", Run())


def test_columns_called_by_numbers_behind_an_unnamed_one_are_of_pandas(tmp_path):
    path = written(tmp_path, rows(",0,1", lambda i: f"{i},{i},{KINDS[i]}", ORDER))
    assert join_table(path, Run()).columns["1"].tolist() == KINDS.tolist()


def test_infinite_and_huge_numbers_are_numbers_without_a_warning(tmp_path):
    odd = ["inf", "1e400", "-inf", "nan"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = written(tmp_path, rows("index,v", lambda i: f"{i},{[*odd, i][min(i, 4)]}"))
        values = join_table(path, Run()).columns["v"]
        assert values[:3].tolist() == [np.inf, np.inf, -np.inf]
        path = written(tmp_path, rows("index,v", lambda i: f"{i},{i + 1}e38"))
        assert np.all(np.diff(join_table(path, Run()).columns["v"]) > 0)


def test_fields_of_several_values_are_taken_apart_or_left_out_and_told(tmp_path):
    fields = blob(N, "s.mrcs") | {
        "alignments2D/shift": np.arange(2 * N, dtype="<f4").reshape(N, 2),
        "alignments3D/pose": np.ones((N, 3), "<f4"),
        "ctf/tetra_A": np.ones((N, 4), "<f4"),
        "one/wide": np.ones((N, 1), "<f4"),
        "far/wide": np.ones((N, 9), "<f4"),
    }
    joined = join_table(write_cs(tmp_path / "p.cs", fields), Run())
    assert joined.columns["alignments2D/shift y"].tolist() == list(range(1, 2 * N, 2))
    assert {"blob/shape height", "alignments3D/pose z", "ctf/tetra_A 4", "one/wide"} <= set(
        joined.columns
    )
    assert all(values.shape == (N,) for values in joined.columns.values())
    assert "far/wide is left out: 9 values per row" in joined.words

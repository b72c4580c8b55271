"""What holds for a whole store: the root attributes of its file (docs/file-format.md)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from tvae_core.config import SECTIONS, RunConfig, parse_config
from tvae_core.errors import StoreError
from tvae_core.files import parsed_json, sha256_of_bytes
from tvae_core.particles import OriginalFrame, TableRecord

FORMAT = "tvae-embeddings"
VERSION = 1
# minor versions: 1 added the particle table, the original images' form and categories; 2 the
# fingerprints of the images; 3 a digest for every block of thumbnails
MINOR_VERSION = 3
ATTRIBUTES = "root attributes"  # their entry among the checksums


@dataclass(frozen=True)
class StoreHeader:
    """What holds for a whole store.

    `side` is the model's image side in pixels, `scale` the model's pixel over the original's, so a
    shift of the original image is `shift_px * scale`. `software` maps package to version.
    `original` says where the model's images lie in the original ones, `table` which particle table
    they came from; both are None in stores of format 1.0. `fingerprint` says how the fingerprints
    of the images were made (`tvae_core.images.identity`) and `pixel_type` of which type their
    pixels were; both are empty before format 1.2. `verdict` is what the run had learned, as JSON of
    `tvae_core.analysis.verdict.Verdict`; empty where nobody judged it.
    """

    config: RunConfig
    run: str
    side: int
    channels: int
    scale: float
    pixel_size_angstrom: float | None
    software: dict[str, str]
    weights_sha256: str
    created_utc: str
    original: OriginalFrame | None = None
    table: TableRecord | None = None
    fingerprint: str = ""
    pixel_type: str = ""
    verdict: str = ""


def read_header(file: h5py.File, path: Path) -> StoreHeader:
    """Read the root attributes, checked against their SHA-256.

    Raises
    ------
    StoreError
        No embedding file, a newer, an incomplete or a damaged one.
    """
    if file.attrs.get("format") != FORMAT:
        raise StoreError("an HDF5 file, but not an embedding file", path, "choose an embeddings.h5")
    version = int(file.attrs["version"])
    if version > VERSION:
        raise StoreError(
            f"written by a newer program (format {version}, this one reads {VERSION})",
            path,
            "update this program",
        )
    if "checksums" not in file.attrs:
        raise StoreError("the file is incomplete", path, "embed the run again")
    if parsed_json(file.attrs["checksums"]).get(ATTRIBUTES) != attributes_checksum(file):
        raise StoreError("the file is damaged (its header differs)", path, "embed the run again")
    pixel_size = float(file.attrs["pixel_size_angstrom"])
    return StoreHeader(
        config=parse_config(_known_settings(file), path, kept=True),
        run=str(file.attrs["run"]),
        side=int(file.attrs["side"]),
        channels=int(file.attrs["channels"]),
        scale=float(file.attrs["scale"]),
        pixel_size_angstrom=pixel_size if pixel_size > 0 else None,
        software=parsed_json(file.attrs["software"]),
        weights_sha256=str(file.attrs["weights_sha256"]),
        created_utc=str(file.attrs["created_utc"]),
        original=_read_original(file),
        table=TableRecord.from_json(file.attrs["table"]) if "table" in file.attrs else None,
        fingerprint=str(file.attrs.get("fingerprint", "")),
        pixel_type=str(file.attrs.get("pixel_type", "")),
        verdict=str(file.attrs.get("verdict", "")),
    )


def _known_settings(file: h5py.File) -> Any:
    """Return the settings; of a newer minor version those that this program knows."""
    values = parsed_json(file.attrs["config"])
    if int(file.attrs.get("minor_version", 0)) <= MINOR_VERSION or not isinstance(values, dict):
        return values
    return {
        section: {key: value for key, value in values[section].items() if key in kind.model_fields}
        for section, kind in SECTIONS.items()
        if isinstance(values.get(section), dict)
    }


def _read_original(file: h5py.File) -> OriginalFrame | None:
    if "original_height_px" not in file.attrs:
        return None
    attrs = file.attrs
    return OriginalFrame(
        int(attrs["original_height_px"]),
        int(attrs["original_width_px"]),
        float(attrs["scale"]),
        (float(attrs["centre_offset_x_px"]), float(attrs["centre_offset_y_px"])),
    )


def attributes_checksum(file: h5py.File) -> str:
    """Return the SHA-256 of the root attributes but the checksums, as sorted JSON of strings."""
    values = {name: str(value) for name, value in file.attrs.items() if name != "checksums"}
    return sha256_of_bytes(json.dumps(values, sort_keys=True).encode())


def write_header(file: h5py.File, header: StoreHeader, images: int) -> None:
    """Write the root attributes but the checksums."""
    file.attrs.update(
        format=FORMAT,
        version=VERSION,
        minor_version=MINOR_VERSION,
        images=images,
        run=header.run,
        side=header.side,
        channels=header.channels,
        scale=header.scale,
        pixel_size_angstrom=header.pixel_size_angstrom or 0.0,
        config=header.config.model_dump_json(),
        seed=header.config.train.seed,
        software=json.dumps(header.software),
        weights_sha256=header.weights_sha256,
        created_utc=header.created_utc,
    )
    if header.original is not None:
        original = header.original
        file.attrs.update(
            original_height_px=original.height_px,
            original_width_px=original.width_px,
            centre_offset_x_px=original.centre_offset_px[0],
            centre_offset_y_px=original.centre_offset_px[1],
        )
    if header.table is not None:
        file.attrs["table"] = header.table.to_json()
    if header.verdict:
        file.attrs["verdict"] = header.verdict
    if header.fingerprint:
        file.attrs.update(fingerprint=header.fingerprint, pixel_type=header.pixel_type)

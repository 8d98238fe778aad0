"""A CSV that is packed is refused before anything is unpacked, whatever it would come to."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from homines.core.types import HominesError
from homines.estimation import amce_rows, observations_csv, published, tidy_csv

TEXT = b"Estimates,se,Label,Country,subject,action\n" + b"1,1,a,b,c,d\n" * 99
PACKED = {
    "gzip": gzip.compress(TEXT),
    **{f"zlib-{level}": zlib.compress(TEXT, level) for level in (1, 5, 6, 9)},
    "zstd": bytes.fromhex("28b52ffd") + b"\0" * 99,
}
READERS: dict[str, Callable[[Path], Any]] = {
    "responses": amce_rows.amce_of_file,
    "countries": lambda path: published.countries(path, ["a"]),
    "observations": observations_csv.read_csv,
    "head": tidy_csv.read_header,
    "table": lambda path: tidy_csv.read_table(path, ["a"], ["a"]),
}


@pytest.mark.parametrize("data", PACKED.values(), ids=PACKED)
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_packed_file_is_refused(
    read: Callable[[Path], Any], data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unpacking(*_: Any, **__: Any) -> None:
        raise AssertionError("polars was given the file")

    monkeypatch.setattr(pl, "read_csv", unpacking)
    monkeypatch.setattr(pl, "scan_csv", unpacking)
    (tmp_path / "rows.csv").write_bytes(data)
    with pytest.raises(HominesError, match=r"rows\.csv is packed .*unpack it first"):
        read(tmp_path / "rows.csv")


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_file_that_is_not_there_is_one_sentence(read: Callable[[Path], Any], tmp_path: Path) -> None:
    with pytest.raises(HominesError, match="cannot read"):
        read(tmp_path / "rows.csv")

"""A new pipeline from a sample runs as it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from perdure.core import pipeline_file
from perdure.core.errors import UsageError
from perdure.init import Wish, create

from .run.conftest import environment

ROOT = Path(__file__).parents[1]


def sample(folder: Path, rows: int = 400) -> Path:
    """Orders, one every two hours, whose returns follow the amount."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "setup.cfg").touch()
    lines = ["order_id,ordered_at,amount,shop name,returned"]
    for number in range(rows):
        day, hour = divmod(number * 2, 24)
        amount = (number * 37) % 100
        returned = int(amount + (number * 7) % 40 > 80)
        month, day_of_month = divmod(day, 28)
        time = f"2024-{month + 1:02}-{day_of_month + 1:02}T{hour:02}:00:00"
        lines.append(f"o{number},{time},{amount}.5,{'north' if number % 3 else 'south'},{returned}")
    (folder / "orders.csv").write_text("\n".join(lines) + "\n")
    return folder / "orders.csv"


def test_infers_and_says_so(tmp_path: Path) -> None:
    created = create("shop", sample(tmp_path), Wish(), root=tmp_path)
    said = " ".join(created.said)
    assert all(word in said for word in ("'ordered_at'", "'order_id'", "'returned'", "binary", "1 day"))
    pipeline = pipeline_file.load(created.files[0])
    assert pipeline.sources["rows"].columns["amount"] == "double"
    assert "`shop name`" in created.files[1].read_text()


def test_writes_over_nothing_unless_told(tmp_path: Path) -> None:
    file = sample(tmp_path)
    create("shop", file, Wish(), root=tmp_path)
    with pytest.raises(UsageError, match="--force"):
        create("shop", file, Wish(), root=tmp_path)
    assert create("shop", file, Wish(label="amount > 50"), root=tmp_path, force=True).files


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        (Wish(time="ordered"), "did you mean 'ordered_at'"),
        (Wish(key="id"), "--key: no column 'id'"),
        (Wish(label="return"), "did you mean 'returned'"),
        (Wish(label="shop name"), "give an expression"),
    ],
)
def test_names_that_are_not_there(tmp_path: Path, wish: Wish, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        create("shop", sample(tmp_path), wish, root=tmp_path)


@pytest.mark.parametrize("name", ["nothing.csv", "orders.txt"])
def test_what_is_no_sample(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=name):
        create("shop", tmp_path / name, Wish(), root=tmp_path)


@pytest.mark.long
def test_runs_as_it_is(tmp_path: Path) -> None:
    sample(tmp_path, rows=60)  # five days: three to train on, two that the model serves
    for words in (["init.py", "shop", "--sample", "orders.csv"], ["run.py", "pipelines/shop.yml"]):
        command = [sys.executable, str(ROOT / "jobs" / words[0]), *words[1:]]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "promote v1" in done.stderr

from __future__ import annotations

import re
from pathlib import Path

from perdure.core.conditions import CONDITIONS
from perdure.core.manual import described, manual

PAGE = Path(__file__).parents[2] / "docs" / "pipeline-file.md"


def test_the_shipped_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == manual(), "write it anew: PYTHONPATH=lib python -m perdure.core.manual"


def test_every_key_is_told_in_words() -> None:
    assert [place for place, told in described() if not told] == []


def test_every_link_leads_somewhere() -> None:
    text = manual()
    headings = {heading.lower().replace(" ", "-") for heading in re.findall(r"^## (.*)$", text, re.MULTILINE)}
    assert set(re.findall(r"\(#([^)]+)\)", text)) <= headings
    assert all(f"[`{key}`]" in text for key in CONDITIONS)

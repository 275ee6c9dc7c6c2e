"""The page on reliability is what its record and its template say, and tells the truth about what is run."""

import json
import re

from tests.faults.reliability import DOCS, page
from tests.faults.troubles import CLUSTER

SOURCE = DOCS / "reliability"


def test_the_page_is_fresh() -> None:
    parts = [
        (SOURCE / name).read_text("utf-8") for name in ("mixes.jsonl", "template.md", "recovery.md", "batches.jsonl")
    ]
    assert (DOCS / "reliability.md").read_text("utf-8") == page(*parts), "run make docs"


def test_the_catalogue_names_faults_that_there_are_and_all_of_them() -> None:
    template = (SOURCE / "template.md").read_text("utf-8")
    named = {
        name.strip().replace(" ", "_")
        for told in re.findall(r"mix(?:es)?: ([a-z, ]+)", template)
        for name in told.removesuffix(" and the load of every mix").split(",")
        if name.strip()
    }
    assert named - set(CLUSTER) == set()
    assert set(CLUSTER) - named == set()


def test_a_mix_that_failed_is_told() -> None:
    mix = {"seed": 7, "nodes": 3, "troubles": ["worker_killed"], "counted": 1, "in_flight": 1, "ends": {"-9": 2}}
    lines = [json.dumps(mix | {"error": error, "seconds": 9}) for error in ("", "AssertionError")]
    told = page("\n".join(lines), "{summary}\n{mixes}")
    assert "1 did not ([7])" in told
    assert "| worker killed | 2 | 1 | 1 |" in told

"""The deployment files name settings that exist, and the services that the program has."""

import re
from pathlib import Path

import pytest
import yaml

from pipeline.settings.security import SecuritySettings
from pipeline.settings.settings import Settings

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "docker-compose.yml", ROOT / "Dockerfile", ROOT / "README.md", *sorted((ROOT / "helm").rglob("*.yaml"))]
NO_SETTING = {"FOOTFALL_CONFIG"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_setting_that_is_named_exists(path: Path) -> None:
    named = set(re.findall(r"FOOTFALL_[A-Z_]*[A-Z]", path.read_text("utf-8"))) - NO_SETTING
    assert named <= {f"FOOTFALL_{name.upper()}" for name in Settings.model_fields}


def test_compose_runs_both_workers_behind_the_topics_and_watches_them() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    assert {tuple(service.get("command", ())) for service in services.values()} == {
        (),
        ("topics", "apply"),
        ("worker", "anonymize"),
        ("worker", "aggregate"),
    }
    for name in ("anonymize", "aggregate"):
        assert "/readyz" in " ".join(services[name]["healthcheck"]["test"])
        assert services[name]["depends_on"]["topics"]["condition"] == "service_completed_successfully"
    for name in ("FOOTFALL_PSEUDONYM_KEY", "FOOTFALL_CONTROL_KEY"):
        assert name in services["anonymize"]["environment"]
        assert name not in services["aggregate"]["environment"]


def test_both_deployments_hand_on_how_brokers_are_reached() -> None:
    wanted = {f"FOOTFALL_{name.upper()}" for name in SecuritySettings.model_fields} - {"FOOTFALL_SASL_TOKEN_COMMAND"}
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    for name in ("topics", "anonymize", "aggregate"):
        given = services[name]["environment"]
        assert wanted <= given.keys()
        assert {given[each] for each in wanted} == {None}  # as compose is given them, and not at all where it is not
        assert given["FOOTFALL_BROKERS"] == "${FOOTFALL_BROKERS:-kafka:9092}"
    chart = "".join(path.read_text("utf-8") for path in (ROOT / "helm" / "templates").glob("*.yaml"))
    assert not [name for name in wanted if name not in chart]
    assert len(re.findall(r"{{-? (?:if|range|with) ", chart)) == len(re.findall(r"{{-? end }}", chart))


def test_a_pod_is_not_told_of_services_as_if_they_were_settings() -> None:
    text = (ROOT / "helm" / "templates" / "workers.yaml").read_text("utf-8")
    assert text.count("enableServiceLinks: false") == text.count("kind: Deployment") == 1

"""What the clean chunks say of digests in force, and whether these settings and keys are those of a deployment."""

import pytest

from agents.core.shared.control import ControlKeys
from pipeline.broker.chunks import InChunks, require_known
from pipeline.errors import StartupError
from pipeline.settings.settings import load_settings

KEYS = {"pseudonym_key": "ab" * 32, "control_key": "cd" * 32}
OWN = load_settings(**KEYS)
CONTROL = ControlKeys(bytes.fromhex("cd" * 32))


def other(**settings: object) -> str:
    return load_settings(**(KEYS | settings)).digest()


def test_a_deployment_of_these_settings_and_keys_is_known_also_after_a_change() -> None:
    require_known(OWN, CONTROL, InChunks({}, {}))
    require_known(OWN, CONTROL, InChunks({}, {OWN.digest(): 0}))
    require_known(OWN, CONTROL, InChunks({}, {other(max_series=5): 0, OWN.digest(): 1}))
    require_known(load_settings(control_key="cd" * 32), CONTROL, InChunks({}, {OWN.digest(): 0}))  # no pseudonym key


def test_other_settings_and_another_control_key_are_refused() -> None:
    with pytest.raises(StartupError, match=r"partition 3 is under the fold digest .* use the release and the settings"):
        require_known(OWN, CONTROL, InChunks({}, {other(max_series=5): 3}))
    changed = {other(control_key="ef" * 32): 2, OWN.digest(): 1}
    with pytest.raises(StartupError, match="control key is not the one in force in partition 2"):
        require_known(OWN, CONTROL, InChunks({}, changed))
    require_known(OWN, ControlKeys(bytes.fromhex("cd" * 32), bytes.fromhex("ef" * 32)), InChunks({}, changed))

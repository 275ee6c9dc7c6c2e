"""Named examples of what counts once, when, and where (design 1.2 to 1.5), by subject in the files beside this one."""

from tests.scenarios_consent import CONSENT
from tests.scenarios_once import ONCE
from tests.scenarios_records import RECORDS
from tests.scenarios_windows import WINDOWS

SCENARIOS = (*ONCE, *WINDOWS, *CONSENT, *RECORDS)

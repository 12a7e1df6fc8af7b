"""What is picked from the settings, and what is refused before anything runs."""

import pytest

from server.services import Services
from server.settings import Settings, SettingsError


@pytest.mark.parametrize(("audit", "says"), [("toy", "is of family sd1"), ("gone", "there is no model 'gone'")])
def test_a_judge_that_cannot_judge_keeps_everything_from_starting(settings: Settings, audit: str, says: str) -> None:
    with pytest.raises(SettingsError, match=f"HUA_AUDIT={audit}: .*{says}"):
        Services.from_settings(settings.model_copy(update={"audit": audit}))

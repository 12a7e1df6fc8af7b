"""The services for given settings, and settings that are refused at the start."""

import pytest

from server.services import Services
from server.settings import Settings, SettingsError


@pytest.mark.parametrize(("audit", "says"), [("toy", "is of family sd1"), ("gone", "there is no model 'gone'")])
def test_unusable_audit_model_prevents_the_start(settings: Settings, audit: str, says: str) -> None:
    with pytest.raises(SettingsError, match=f"HUA_AUDIT={audit}: .*{says}"):
        Services.from_settings(settings.model_copy(update={"audit": audit}))

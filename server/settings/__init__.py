"""The settings of the server: what they are, and what is wrong with a value."""

from server.settings.settings import PREFIX as PREFIX
from server.settings.settings import Settings as Settings
from server.settings.settings import SettingsError as SettingsError

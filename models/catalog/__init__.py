"""Which models exist: the entries of `models.yaml` and the folders they name."""

from models.catalog.catalog import Catalog as Catalog
from models.catalog.catalog import read as read

"""Which models exist: what a scan of the models folder finds, and what `models.yaml` says about it."""

from models.catalog.catalog import Catalog as Catalog
from models.catalog.read import read as read

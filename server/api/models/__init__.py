"""`/v1/models`: the models of the catalog, why some cannot be used, and their preview pictures."""

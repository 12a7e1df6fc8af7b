"""The files of results behind signed links."""

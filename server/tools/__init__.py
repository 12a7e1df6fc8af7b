"""Stored tools: workflows with a form, each a YAML file of the operator or one that is shipped."""

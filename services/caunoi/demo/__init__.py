"""The demo: four centres (YAML), invented people, and how both come in through the public API."""

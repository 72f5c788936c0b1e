"""A Django site with the provider's options in its settings."""

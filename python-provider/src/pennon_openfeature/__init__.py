"""OpenFeature provider for Pennon."""

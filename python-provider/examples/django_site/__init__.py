"""A Django site whose settings say where its flags are."""

"""Many as one: who was promised what, for whom. Pure."""

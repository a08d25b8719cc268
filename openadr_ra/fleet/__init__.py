"""Many as one: who was promised what, for whom; one figure to many, many to one. Pure."""

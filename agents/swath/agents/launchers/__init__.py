"""Launchers keep N agents alive: as processes of this machine (`local`), or as actors of a Ray (`ray`)."""

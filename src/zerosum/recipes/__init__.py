"""One page per published system: a new file here that defines ``recipe`` is a new recipe; there is no list to edit."""

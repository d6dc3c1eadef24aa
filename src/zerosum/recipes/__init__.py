"""One page per published system. A new file here with a function ``recipe`` is a new recipe: there is no list to edit."""

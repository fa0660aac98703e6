"""Training models of one's own. Needs the extra: pip install 'interlingua[train]'."""

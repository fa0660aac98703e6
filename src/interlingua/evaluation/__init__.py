"""How good a model is on given data: one file a task."""

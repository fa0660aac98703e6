"""What people do in the space: one file a task."""

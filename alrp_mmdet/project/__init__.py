"""What tools/new_project.py does: from annotated images to a config."""

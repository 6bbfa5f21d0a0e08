"""From annotated images to a training config: the code behind tools/new_project.py."""

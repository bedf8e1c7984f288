"""Lessons: how they are read, run, judged and shown. What they say is in `lab/classroom/lessons/`."""

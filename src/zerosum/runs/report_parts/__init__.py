"""What ``report.html`` is made of. Nothing here imports torch: a report is written from a run's files alone."""

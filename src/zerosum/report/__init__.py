"""What ``report.html`` is made of. Nothing here imports torch: a report needs only the files of a run."""

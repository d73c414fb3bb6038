"""``liaison demo``: one process reads, several compute, one collects, and one of them is killed.

The processes are unrelated and find each other by the names of mailboxes::

    collector ──orders──▶ reader ──files──▶ workers ──results──▶ collector

`survey` lists the files, `reader` and `worker` are the processes, `collector` counts, `team` starts
and replaces processes (`mailboxes` with liaison, `queues` with the standard library), `killer`
kills one, `pipeline` runs the work through either team, `alone` does it in one process, `report`
compares, `screen` and `picture` draw, and `performance` runs all of it.
"""

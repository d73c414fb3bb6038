"""``liaison demo``: one process reads, several compute, one collects, and one of them is killed.

The textbook's reasons for processes to cooperate, in one program on real files. The processes are
started as unrelated ones and find each other by the names of mailboxes::

    collector ──orders──▶ reader ──files──▶ workers ──results──▶ collector

`survey` lists the files, `reader` and `worker` are the processes, `collector` counts, `crew` starts
and looks after them (`mailboxes` with liaison, `queues` with the standard library), `pipeline` runs
the work through either, `alone` does it in one process, `report` compares, `screen` and `picture`
show, and `performance` plays it all.
"""

# cython: language_level=3, boundscheck=False, wraparound=False, auto_pickle=False
"""What a link is, of the engine's numbers: the facts of which a Link is made, and its counts."""

from libc.stdint cimport uint64_t

from liaison._native.engine cimport *
from liaison._native.space cimport SpaceHandle, peer_of

from liaison._native.failure import failure
from liaison.link import Statistics

KINDS = {1: "mailbox", 2: "queue", 3: "port", 4: "endpoint", 5: "direct", 6: "pipe",
         7: "named pipe"}
KIND_NUMBERS = {name: number for number, name in KINDS.items()}
LIFETIMES = {None: 0, "receiver": 1, "senders": 2}
LIFETIME_NAMES = {number: name for name, number in LIFETIMES.items()}
ACCESS = {"any": 1, "exclusive": 2, "pair": 3}
ACCESS_NAMES = {number: name for name, number in ACCESS.items()}


cdef object statistics_of(const liaison_statistics *s):
    return Statistics(s.accepted, s.taken, s.waiting, s.returned, s.leased, s.loaned, s.free,
                      s.receivers_waiting, s.senders_waiting, s.arena_used, s.arena_size,
                      s.arena_limit)


cdef dict facts_of(const liaison_info *info, str dead_letters, object creator, list attached):
    """The facts of which a Link is made."""
    return {
        "id": (<bytes>info.id).decode(),
        "name": (<bytes>info.name).decode(),
        "kind": KINDS.get(info.policy.kind) or str(info.policy.kind),
        "access": ACCESS_NAMES[info.policy.access],
        "capacity": info.policy.capacity,
        "max_processes": info.max_processes,
        "message_size": "fixed" if info.policy.max_message else "variable",
        "max_message": info.largest,
        "memory": info.policy.memory or None,
        "max_deliveries": info.policy.max_deliveries or None,
        "dead_letters": dead_letters or None,
        "lifetime": LIFETIME_NAMES[info.policy.lifetime],
        "pair_capacity": info.policy.pair_capacity,
        "bytes": info.bytes,
        "creator": creator,
        "attached": attached,
    }


def look(SpaceHandle space not None, int names, str name not None, str address, dict known,
         bint counts):
    """The facts about what has this name in the directory `names`, and its statistics if `counts`.

    An endpoint has no statistics of its own. Raises as observing it does. `known` keeps the peers
    from one link to the next.
    """
    cdef liaison_info info
    cdef liaison_statistics counted
    cdef liaison_user users[1024]
    cdef size_t count = 0, i
    cdef bytes what = name.encode()
    cdef int r = liaison_space_look(space.space, names, what, &info, users, 1024, &count,
                                    &counted if counts else NULL)
    if r != LIAISON_OK:
        raise failure(r, address)
    cdef str dead_letters = (<bytes>info.policy.dead_letters).decode()
    if not dead_letters and info.policy.max_deliveries:
        dead_letters = f"{address}.dead"
    cdef list attached = []
    for i in range(count):
        who, alive = known_peer(space, users[i].identity, address, known)
        if alive:
            attached.append((who, bool(users[i].sends), bool(users[i].receives)))
    creator = known_peer(space, info.creator.identity, address, known)[0]
    facts = facts_of(&info, dead_letters, creator, attached)
    counts = counts and facts["kind"] != "endpoint"
    return facts, statistics_of(&counted) if counts else None


cdef tuple known_peer(SpaceHandle space, uint64_t identity, str address, dict known):
    cdef liaison_peer peer
    found = known.get(identity)
    if found is None:
        r = liaison_space_peer(space.space, identity, &peer)
        if r != LIAISON_OK:  # it is unknown which of the link's users live
            raise failure(r, address)
        found = known[identity] = (peer_of(&peer), bool(peer.alive))
    return found

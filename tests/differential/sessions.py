"""Steps of fetch sessions (KIP-227): one per history at a time, whose partitions each server remembers."""

from protocol import NO_ID
from sides import UNKNOWN_ID

BY_NAME, BY_ID = (7, 12), (13, 99)
NOT_FOUND, WRONG_EPOCH = 70, 71  # the session goes on, if there is one


def wanted(m, partitions):
    return [{"Partition": partition, "CurrentLeaderEpoch": -1, "FetchOffset": m.random.choice([0, 0, 1, 3]), "LastFetchedEpoch": -1, "LogStartOffset": -1,
             "PartitionMaxBytes": 1_000_000} for partition in partitions]


def asked_topics(m):
    names = sorted(m.random.sample(m.topics, m.random.choice([1, 2])))
    return [{"Topic": name, "TopicId": m.topic_ids.get(name, UNKNOWN_ID), "Partitions": wanted(m, m.random.choice([[0], [0, 1]]))} for name in names]


def asked(m, session_id, epoch, topics, forgotten=()):
    return {"ReplicaId": -1, "MaxWaitMs": 0, "MinBytes": 0, "MaxBytes": 1_000_000, "IsolationLevel": 0, "SessionId": session_id, "SessionEpoch": epoch, "Topics": topics,
            "ForgottenTopicsData": list(forgotten), "RackId": ""}


def begin(m):
    """A new session, in place of the one before."""
    versions = m.random.choice([BY_NAME, BY_ID])

    def learn(m, answer):
        m.session = (answer["SessionId"], 1, versions) if answer["ErrorCode"] == 0 and answer["SessionId"] else None

    return "Fetch", asked(m, m.session[0] if m.session else 0, 0, asked_topics(m)), learn, versions


def go_on(m):
    if not m.session:
        return begin(m)
    session_id, epoch, versions = m.session
    right = not m.chance(10)

    def learn(m, answer):
        if right and answer["ErrorCode"] == 0:
            m.session = (session_id, epoch + 1, versions) if answer["SessionId"] else None

    topics = asked_topics(m) if m.chance(3) else []
    name = m.random.choice(m.topics)
    forgotten = [{"Topic": name, "TopicId": m.topic_ids.get(name, NO_ID), "Partitions": [m.random.choice([0, 1])]}] if m.chance(5) else []
    where = (session_id, epoch) if right else m.random.choice([(session_id, epoch + 5), (12345, epoch)])
    return "Fetch", asked(m, *where, topics, forgotten), learn, versions


def end(m):
    if not m.session:
        return None
    session_id, _, versions = m.session
    m.session = None
    return "Fetch", asked(m, session_id, -1, asked_topics(m)), None, versions


STEPS = [(2, begin), (6, go_on), (1, end)]

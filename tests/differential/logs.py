"""Steps that write and read records."""

from records import CODECS, NONE
from sides import UNKNOWN_ID, Batch

NOW = 1_700_000_000_000


def at(m):
    """A topic by name and by id, with one partition."""
    name = m.topic()
    known = m.topic_ids.get(name, UNKNOWN_ID)
    return name, known, m.partition()


def produce_batch(m, batch, learn=None, transactional_id=None, acks=-1, place=None):
    name, topic_id, partition = place or at(m)
    data = [{"Index": partition, "Records": batch}]
    topic = {"Name": name, "TopicId": topic_id, "PartitionData": data}
    return "Produce", {"TransactionalId": transactional_id, "Acks": acks, "TimeoutMs": 30_000, "TopicData": [topic]}, learn, (3, 99)


def batch(m, producer=-1, epoch=-1, sequence=-1, attributes=0, broken=False, keyless=False):
    """Of random records, in a random codec. No key comes twice: compacted topics keep them all, so when they are compacted is of no matter."""
    count = m.random.choice([1, 1, 2, 5])
    start = NOW + m.random.randrange(100) * 1000
    values = tuple(bytes([65 + i]) * m.random.choice([1, 10, 3000]) for i in range(count))
    keys = () if keyless else tuple(m.random.randbytes(8) for _ in values)
    codec = m.random.choice([NONE, NONE, NONE, *CODECS])
    headers = m.random.choice([(), (), ((b"trace", b"12"), (b"trace", None), (b"", b""))])
    return Batch(values, tuple(start + i for i in range(count)), producer, epoch, sequence, attributes | codec, broken, keys, headers)


def produce(m):
    return produce_batch(m, batch(m, broken=m.chance(12), keyless=m.chance(4)), acks=m.random.choice([-1, 1]))


def idempotent(m):
    if None not in m.producers:
        return "InitProducerId", {"TransactionalId": None, "TransactionTimeoutMs": 60_000}, lambda m, answer: learn_producer(m, None, answer)
    place = at(m)
    key = (*m.producers[None], *place[::2])
    sequence = m.sequences.get(key, 0)
    sent = batch(m, *m.producers[None], sequence=m.random.choice([sequence, sequence, sequence, sequence + 3, max(0, sequence - 1)]))

    def learn(m, answer):
        if answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"] == 0 and sent.sequence == sequence:
            m.sequences[key] = sequence + len(sent.values)

    return produce_batch(m, sent, learn, place=place)


def learn_producer(m, transactional_id, answer):
    if answer["ErrorCode"] == 0:
        m.gave(transactional_id, answer)


def fetch(m):
    name, topic_id, partition = at(m)
    wanted = {"Partition": partition, "CurrentLeaderEpoch": m.random.choice([-1, -1, 0, 5]), "FetchOffset": m.random.choice([0, 0, 1, 3, 9, 1000, -1]),
              "LastFetchedEpoch": -1, "LogStartOffset": -1, "PartitionMaxBytes": m.random.choice([1_000_000, 1])}
    topic = {"Topic": name, "TopicId": topic_id, "Partitions": [wanted]}
    return "Fetch", {"ReplicaId": -1, "MaxWaitMs": m.random.choice([0, 0, 0, 20]), "MinBytes": m.random.choice([0, 0, 1, 5000]), "MaxBytes": 1_000_000, "IsolationLevel": m.random.choice([0, 1]), "SessionId": 0, "SessionEpoch": -1,
                     "Topics": [topic], "ForgottenTopicsData": [], "RackId": ""}


def list_offsets(m):
    when = m.random.choice([-1, -1, -2, -2, -3, NOW, NOW + 50_000, NOW + 10_000_000])
    partition = {"PartitionIndex": m.partition(), "CurrentLeaderEpoch": m.random.choice([-1, -1, 0, 5]), "Timestamp": when}
    return "ListOffsets", {"ReplicaId": -1, "IsolationLevel": m.random.choice([0, 1]), "Topics": [{"Name": m.topic(), "Partitions": [partition]}]}


def delete_records(m):
    name, partition = m.topic(), {"PartitionIndex": m.partition(), "Offset": m.random.choice([-1, 0, 1, 2, 100, -5])}
    m.sized_apart.add(name)
    return "DeleteRecords", {"Topics": [{"Name": name, "Partitions": [partition]}], "TimeoutMs": 30_000}


def end_of_epoch(m):
    partition = {"Partition": m.partition(), "CurrentLeaderEpoch": m.random.choice([-1, 0, 3]), "LeaderEpoch": m.random.choice([0, 0, 1, -1])}
    return "OffsetForLeaderEpoch", {"ReplicaId": -1, "Topics": [{"Topic": m.topic(), "Partitions": [partition]}]}


def describe_producers(m):
    return "DescribeProducers", {"Topics": [{"Name": m.topic(), "PartitionIndexes": [m.partition()]}]}


STEPS = [(14, produce), (8, idempotent), (10, fetch), (6, list_offsets), (4, delete_records), (2, end_of_epoch), (2, describe_producers)]
